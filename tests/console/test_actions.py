"""What the other pages do: calendars, tests to phones, keys, rights, audit, a person's data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from schoolbell.errors import FailedPrecondition
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import roster_pb2
from schoolbell.v1 import roster_service_pb2 as roster
from schoolbell_server.demo.stage import DISTRICT
from tests.console.conftest import Enter
from tests.console.happening import SOURCE
from tests.console.world import World

D = f"/d/{DISTRICT}"


def test_many_calendars_are_changed_at_once_and_reset(enter: Enter, played: World) -> None:
    page = enter(path=f"{D}/display")
    page.get_by_label("Choose all").check()
    page.get_by_label("Show only these kinds:").first.check()
    page.locator('input[name="student"][value="4"]').uncheck()
    page.get_by_role("button", name="Change the chosen").click()
    expect(page.get_by_role("status")).to_have_text("Saved for 2 calendars.")
    expect(page.get_by_role("row").nth(1)).to_contain_text("Assignment, Grade, Attendance")
    page.get_by_role("button", name="Change the chosen").click()
    expect(page.get_by_role("alert").first).to_contain_text("choose at least one calendar")
    page.get_by_label("Choose all").check()
    page.get_by_role("button", name="Back to the district’s default").click()  # noqa: RUF001
    expect(page.get_by_role("row").nth(1)).to_contain_text("district’s default")  # noqa: RUF001


def test_a_test_reaches_a_phone_and_the_answer_is_told(enter: Enter, played: World) -> None:
    page = enter(path=f"{D}/person/of?id=g5001")
    page.get_by_role("button", name="Send a test").first.click()
    expect(page.get_by_role("status")).to_contain_text("accepted")


def test_a_person_is_signed_out_on_record_and_only_with_the_right(
    enter: Enter, played: World
) -> None:
    person, write = f"{D}/person/of?id=g5031", (access.TOOL_PUSH_NOTIFICATIONS, access.RIGHT_WRITE)
    played.keys["helper"] = played.person(
        "helper", (access.TOOL_EXPLANATIONS, access.RIGHT_READ), write
    )
    page = enter("helper", person)
    second = page.context.new_page()
    second.goto(page.url)
    for one in (page, second):
        one.on("dialog", lambda dialog: dialog.accept())
        expect(one.get_by_text("Stays logged in")).to_be_visible()
        one.get_by_text("Sign out everywhere").click()
    page.get_by_role("button", name="Sign the person out").click()
    expect(page.get_by_role("status")).to_contain_text("The person is signed out on one phone.")
    expect(page.get_by_text("Not logged in")).to_be_visible()
    expect(page.get_by_text("Sign out everywhere")).to_have_count(0)
    audit = enter(path=f"{D}/audit?method=schoolbell.v1.DeviceService/SignOut")
    row = audit.get_by_role("row").filter(has_text="persons/g5031")
    expect(row).to_contain_text("helper")
    expect(row).to_contain_text("Signed a person out")
    played.revoke("helper", write)
    second.get_by_role("button", name="Sign the person out").click()
    expect(second.get_by_text("You have no right to this page")).to_be_visible()
    reader = enter("clerk", f"{D}/person/of?id=g5030")
    expect(reader.get_by_text("Stays logged in")).to_be_visible()
    expect(reader.locator("main").get_by_role("button")).to_have_count(0)


def test_a_key_is_shown_once_and_revoked(enter: Enter, district: World) -> None:
    page = enter("operator", f"{D}/access")
    page.get_by_text("Make a key").click()
    page.get_by_label("Name").fill("kiosk")
    page.get_by_label("Role").select_option(label="Monitor")
    page.get_by_role("button", name="Make", exact=True).click()
    district.keys["kiosk"] = page.get_by_label("Copy it now").input_value()
    expect(enter("kiosk").get_by_role("heading", level=1)).to_have_text("Live")
    page.goto(f"{district.origin}{D}/access")
    assert district.keys["kiosk"] not in page.content()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("row", name="kiosk").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("row", name="kiosk")).to_have_count(0)


def test_an_import_is_found_with_its_problems(enter: Enter, played: World) -> None:
    stray = roster_pb2.Relationship(student_id="s1001", guardian_id="<b>ghost</b>")
    messages = an_import("with-problems", roster_pb2.RosterRecord(relationship=stray))
    with pytest.raises(FailedPrecondition):
        played.ask(access.ROLE_PUBLISHER, "roster", "ImportRoster", messages)
    page = enter(path=f"{D}/imports")
    page.get_by_role("row").filter(has_text="with-problems").get_by_role("link").click()
    expect(page.get_by_text("Refused").first).to_be_visible()
    problem = page.get_by_role("row").filter(has_text="<b>ghost</b>")
    expect(problem).to_contain_text("It refers to a record that is missing.")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Roster imports")


async def an_import(
    import_id: str, *records: roster_pb2.RosterRecord
) -> AsyncIterator[roster.ImportRosterRequest]:
    """Yield the messages of an import of some records."""
    header = roster.ImportRosterHeader(
        import_id=import_id, source=SOURCE, mode=roster_pb2.IMPORT_MODE_DELTA
    )
    yield roster.ImportRosterRequest(district_id=DISTRICT, header=header)
    yield roster.ImportRosterRequest(records=roster.ImportRosterRecords(records=records))
    footer = roster.ImportRosterFooter(record_count=len(records))
    yield roster.ImportRosterRequest(footer=footer)


def test_a_right_is_granted_audited_and_taken_back(enter: Enter, district: World) -> None:
    page = enter(path=f"{D}/access")
    page.get_by_text("Grant a right").click()
    page.get_by_label("Id", exact=True).fill("<b>newcomer</b>")
    page.get_by_role("button", name="Grant", exact=True).click()
    row = page.get_by_role("row").filter(has_text="<b>newcomer</b>")
    expect(row).to_contain_text("Push Notifications")
    page.on("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="Take back").click()
    expect(row).to_have_count(0)
    page.get_by_role("link", name="Audit log").first.click()
    page.get_by_label("Who").fill("principal")
    page.get_by_label("What").select_option(label="Took rights back")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("row").nth(1)).to_contain_text("newcomer")
    page.get_by_role("link", name="Check the log").click()
    expect(page.get_by_role("status")).to_contain_text("The log is whole")


def test_a_person_is_exported_and_erased_by_an_id_typed_twice(
    enter: Enter, played: World, tmp_path: Path
) -> None:
    page = enter(path=f"{D}/data?id=g5040")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the file").click()
    download.value.save_as(tmp_path / "person.jsonl")
    assert '"type": "device"' in (tmp_path / "person.jsonl").read_text(encoding="utf-8")
    page.get_by_label("Type the id once more").fill("g5041")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("alert").first).to_contain_text("Nothing was erased")
    page.get_by_label("Type the id once more").fill("g5040")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("status")).to_contain_text("records were erased")
