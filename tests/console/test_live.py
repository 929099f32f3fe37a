"""The page Live: charts and table follow, resume, pause, and lead to a delivery."""

from __future__ import annotations

from playwright.sync_api import expect

from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server.demo.stage import DISTRICT
from tests.console.conftest import Enter
from tests.console.happening import publish_grades
from tests.console.world import World

LIVE = "/d/sample-district/live"


def test_what_happens_appears_and_leads_to_its_attempts(enter: Enter, played: World) -> None:
    page = enter(path=LIVE)
    expect(page.locator("#rows tr").first).to_be_visible()
    publish_grades(played, "live", 5)
    expect(page.locator('[data-outcome="accepted"]')).not_to_have_text("0")
    expect(page.locator('[data-tile="half"]')).to_contain_text("ms")
    expect(page.locator('[data-tile="most"]')).to_contain_text("ms")
    expect(page.locator("[data-lane]").first.locator(".num")).to_be_visible()
    expect(page.locator("#links")).to_contain_text("Apple (iPhone, iPad)")
    page.get_by_label("State").select_option("accepted")
    page.get_by_label("Kind", exact=True).select_option("grade")
    row = page.locator("#rows tr").first
    expect(row).to_contain_text("Grade")
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Delivery: Grade")).to_be_visible()
    expect(page.get_by_text("Attempt 1: accepted")).to_be_visible()
    page.go_back()
    expect(page.locator("#rows tr").first).to_be_visible()


def test_a_paused_page_stands_still_and_goes_on(enter: Enter, played: World) -> None:
    page = enter(path=LIVE)
    expect(page.locator("#rows tr").first).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    before = page.locator("#rows").inner_text()
    answers = page.evaluate("latest[0].id")
    publish_grades(played, "paused", 2)
    page.wait_for_function("before => latest[0].id !== before", arg=answers)
    assert page.locator("#rows").inner_text() == before
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#rows")).not_to_have_text(before)


def test_a_monitor_sees_what_happens_and_not_why(enter: Enter, played: World) -> None:
    page = enter("monitor")
    expect(page).to_have_url(f"{played.origin}{LIVE}")
    expect(page.locator("#rows tr").first).to_be_visible()
    expect(page.get_by_role("link", name="Why?")).to_have_count(0)


def test_a_key_that_is_revoked_in_the_middle_ends_the_stream(enter: Enter, played: World) -> None:
    played.keys["ending"] = played.key(
        access.ApiKey(display_name="ending", role=access.ROLE_MONITOR)
    )
    page = enter("ending", LIVE)
    expect(page.locator("#rows tr").first).to_be_visible()
    played.ask(
        access.ROLE_OPERATOR,
        "access",
        "RevokeApiKey",
        access.RevokeApiKeyRequest(
            district_id=DISTRICT, api_key_id=played.keys["ending"].split("_")[1]
        ),
    )
    publish_grades(played, "ending", 1)
    expect(page.get_by_text("You are not signed in any more")).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="Live").first.click()
    expect(page.get_by_text("Your session has ended")).to_be_visible()


def test_a_right_that_is_lost_in_the_middle_is_said_politely(enter: Enter, played: World) -> None:
    right = (access.TOOL_PUSH_NOTIFICATIONS, access.RIGHT_READ)
    played.keys["leaving"] = played.person("leaving", right)
    page = enter("leaving", LIVE)
    expect(page.locator("#rows tr").first).to_be_visible()
    played.revoke("leaving", right)
    page.reload()
    expect(page.get_by_text("You have no right to this page")).to_be_visible()
