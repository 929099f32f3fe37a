"""What holds for every page: rights that are missing or lost, and links to deep inside."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import expect

from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server.demo.stage import DISTRICT
from tests.console.conftest import Enter
from tests.console.every_page import all_fetched, cookies, every_page, fetched
from tests.console.test_guards import FORMS, posted
from tests.console.test_sessions import entry_count
from tests.console.world import World

D = f"/d/{DISTRICT}"
EVERYTHING = [(tool, access.RIGHT_WRITE) for tool in access.Tool.values()[1:]]
FOR_EVERYBODY = ("/choose", "/sign-in", "/sign-out")
REFUSED = "You have no right to this page"


def test_no_page_is_shown_without_its_right(enter: Enter, played: World) -> None:
    only_bars = (access.TOOL_BARS, access.RIGHT_READ)
    played.keys["stranger"] = played.person("stranger", only_bars)
    stranger, clerk = (cookies(enter(name, f"{D}/bars")) for name in ("stranger", "clerk"))
    for name, path in every_page(played).items():
        answer = fetched(played, path, clerk if name == "bars" else stranger)
        assert (answer.status, REFUSED in answer.text) == (403, True), path


def test_a_right_that_is_lost_in_the_middle_is_missed_politely_on_every_page(
    enter: Enter, played: World
) -> None:
    played.keys["parting"] = played.person("parting", *EVERYTHING)
    page, paths = enter("parting", f"{D}/push"), every_page(played)
    cookie, token = cookies(page), page.locator("main input[name=token]").input_value()
    for path, answer in zip(
        paths.values(), all_fetched(played, paths.values(), cookie), strict=True
    ):
        assert answer.status == 200, path
    played.revoke("parting", *((tool, access.RIGHT_READ) for tool, _ in EVERYTHING))
    before = entry_count(played)
    for path, answer in zip(
        paths.values(), all_fetched(played, paths.values(), cookie), strict=True
    ):
        assert (answer.status, REFUSED in answer.text) == (403, True), path
    own = {"Cookie": cookie, "Origin": played.origin}
    for path in FORMS:
        if path not in FOR_EVERYBODY:
            assert posted(played, path, own, token) == 403, path
    page.get_by_label("Enable Push Notifications").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text(REFUSED)).to_be_visible()
    assert entry_count(played) == before


def test_a_deep_link_to_any_page_leads_there_by_way_of_signing_in(played: World) -> None:
    for path in every_page(played).values():
        answer = fetched(played, path)
        place = urlsplit(answer.location)
        assert (answer.status, place.path) == (303, "/sign-in"), path
        assert parse_qs(place.query)["next"] == [path]
