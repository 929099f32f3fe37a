"""The page Push Notifications."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.console.conftest import Enter
from tests.console.world import World

PUSH = "/d/sample-district/push"


def test_the_switch_is_saved_and_says_who_changed_it(enter: Enter) -> None:
    page = enter(path=PUSH)
    switch = page.get_by_label("Enable Push Notifications")
    expect(switch).to_be_checked()
    switch.uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Saved. Push notifications are off.")
    expect(page.get_by_text("Last changed by principal")).to_be_visible()
    expect(page.get_by_text("Inactive")).to_be_visible()
    page.get_by_label("Enable Push Notifications").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Saved. Push notifications are on.")


def test_the_links_are_shown_with_their_state(enter: Enter) -> None:
    page = enter(path=PUSH)
    expect(page.get_by_role("row", name="Apple (iPhone, iPad)").first).to_contain_text("Connected")
    expect(page.get_by_role("row", name="Google (Android)").first).to_contain_text("Connected")


def test_who_may_only_read_cannot_save(enter: Enter, district: World) -> None:
    page = enter("reader", PUSH)
    expect(page.get_by_label("Enable Push Notifications")).to_be_disabled()
    expect(page.get_by_role("button", name="Save")).to_have_count(0)
    expect(page.get_by_text("You may see these settings and not change them.")).to_be_visible()


def test_who_may_not_read_is_refused_politely(enter: Enter) -> None:
    page = enter("clerk", PUSH)
    expect(page.get_by_text("You have no right to this page")).to_be_visible()
    expect(page.get_by_role("link", name="Push Notifications")).to_have_count(0)


def test_the_second_of_two_who_save_sees_what_changed_and_decides(enter: Enter) -> None:
    first, second = enter(path=PUSH), enter("second", PUSH)
    for page in (first, second):
        page.get_by_text("More settings").click()
    first.get_by_label("Days to keep changes").fill("300")
    first.get_by_role("button", name="Save").click()
    expect(first.get_by_role("status")).to_contain_text("Saved")
    second.get_by_label("Days to keep changes").fill("200")
    second.get_by_label("Days to keep deliveries").fill("30")
    second.get_by_role("button", name="Save", exact=True).click()
    conflict = second.get_by_role("alert").filter(has_text="Somebody saved before you")
    expect(conflict).to_contain_text("principal changed these settings")
    expect(conflict.get_by_role("row", name="Days to keep changes")).to_contain_text("300 days")
    expect(conflict.get_by_role("row", name="Days to keep changes")).to_contain_text("200 days")
    second.get_by_role("button", name="Save mine").click()
    expect(second.get_by_role("status")).to_contain_text("Saved")
    first.reload()
    first.get_by_text("More settings").click()
    expect(first.get_by_label("Days to keep changes")).to_have_value("200")
    expect(first.get_by_label("Days to keep deliveries")).to_have_value("30")


def test_a_number_out_of_its_range_is_marked(enter: Enter) -> None:
    page = enter(path=PUSH)
    page.get_by_text("More settings").click()
    page.get_by_label("Wait before sending, Grade").fill("61")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").first).to_contain_text("Nothing was saved")
    expect(page.get_by_label("Wait before sending, Grade")).to_have_value("61")
    expect(page.get_by_text("A number from 0 to 60")).to_be_visible()
