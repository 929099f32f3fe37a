"""What a district sets beside the switch: calendars one by one, defaults for families, and bars."""

from __future__ import annotations

from google.protobuf.field_mask_pb2 import FieldMask
from playwright.sync_api import Locator, Page, expect

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import change_pb2, common_pb2, subscription_pb2
from schoolbell.v1 import settings_service_pb2 as settings
from schoolbell_server.demo.stage import DISTRICT
from tests.console.conftest import Enter
from tests.console.world import World

D = f"/d/{DISTRICT}"
CALENDAR = "maple-high:2027"


def test_a_term_of_a_calendar_is_switched_and_both_who_save_are_heard(
    enter: Enter, played: World
) -> None:
    first, second = enter(path=f"{D}/display"), enter(path=f"{D}/display/calendar?id={CALENDAR}")
    first.get_by_role("row").filter(has_text=CALENDAR).get_by_role("link").click()
    terms = first.get_by_role("group", name="Terms").get_by_role("checkbox")
    expect(terms.first).to_be_checked()
    terms.first.uncheck()
    save(first)
    expect(first.get_by_role("status")).to_contain_text("Saved")
    expect(terms.first).not_to_be_checked()
    assert len(stored(played).disabled_term_ids) == 1
    second.get_by_role("group", name="parents").get_by_label("Lunch balance").uncheck()
    save(second)
    conflict = second.get_by_role("alert").filter(has_text="Somebody saved before you")
    expect(conflict.get_by_role("row", name="Terms")).to_contain_text("1 term is off")
    expect(conflict.get_by_role("row", name="Terms")).to_contain_text("as it is now")
    second.get_by_role("button", name="Save mine").click()
    expect(second.get_by_role("status")).to_contain_text("Saved")
    now = stored(played)
    assert len(now.disabled_term_ids) == 1
    assert common_pb2.KIND_LUNCH_BALANCE not in now.parent_app_kinds
    assert common_pb2.KIND_LUNCH_BALANCE in now.student_app_kinds
    reset(played)


def test_many_calendars_are_not_changed_where_somebody_else_changed_one(
    enter: Enter, played: World
) -> None:
    reset(played)
    page = enter(path=f"{D}/display")
    change(played, enabled=False)
    before = stored(played)
    page.get_by_label("Choose all").check()
    page.get_by_label("not shown", exact=True).check()
    page.get_by_role("button", name="Change the chosen").click()
    expect(page.get_by_role("alert").first).to_contain_text("Somebody else changed it meanwhile")
    expect(page.get_by_role("alert").first).to_contain_text(CALENDAR)
    assert stored(played) == before
    reset(played)


def test_who_may_only_read_sees_a_calendar_and_cannot_save(enter: Enter, played: World) -> None:
    page = enter("reader", f"{D}/display/calendar?id={CALENDAR}")
    expect(page.locator("#enabled")).to_be_disabled()
    expect(page.get_by_role("button", name="Save")).to_have_count(0)
    page.goto(f"{played.origin}{D}/push/defaults")
    expect(page.get_by_role("checkbox").first).to_be_disabled()
    expect(page.get_by_role("button", name="Save")).to_have_count(0)
    page.goto(f"{played.origin}{D}/bars")
    expect(page.get_by_text("You have no right to this page")).to_be_visible()


def test_defaults_and_oldest_versions_are_saved_and_conditions_kept(
    enter: Enter, played: World
) -> None:
    before = read_settings(played)
    before.etag = ""
    kept = settings.DefaultSubscription(
        app_type=common_pb2.APP_TYPE_PARENT, kind=common_pb2.KIND_GRADE
    )
    kept.condition.grade.below_percent = 70
    kept.condition.grade.limit_trigger = subscription_pb2.LIMIT_TRIGGER_ON_CROSSING
    save_settings(played, settings.Settings(default_subscriptions=[kept]), "default_subscriptions")
    page, second = enter(path=f"{D}/push"), enter(path=f"{D}/push/defaults")
    page.get_by_text("More settings").click()
    page.get_by_role("link", name="Defaults and oldest versions").click()
    parents = page.get_by_role("group", name="parents")
    expect(parents.get_by_text("Condition, Grade: only below 70%, as it falls")).to_be_visible()
    parents.get_by_label("Attendance", exact=True).check()
    oldest = page.get_by_label("district-parent, iPhone or iPad: Oldest system")
    oldest.fill("not a version")
    save(page)
    expect(page.get_by_role("alert").first).to_contain_text("Nothing was saved")
    expect(oldest).to_have_value("not a version")
    oldest.fill("15.2")
    save(page)
    expect(page.get_by_role("status")).to_contain_text("Done")
    now = read_settings(played)
    assert [one.kind for one in now.default_subscriptions] == [2, 3]
    assert now.default_subscriptions[0] == kept
    assert [one.os_version for one in now.minimum_versions] == ["15.2"]
    second.get_by_role("group", name="student").get_by_label("Grade", exact=True).check()
    save(second)
    conflict = second.get_by_role("alert").filter(has_text="Somebody saved before you")
    expect(conflict.get_by_role("row", name="Phone")).to_contain_text("15.2")
    second.get_by_role("button", name="Save mine").click()
    expect(second.get_by_role("status")).to_contain_text("Done")
    assert len(read_settings(played).default_subscriptions) == 3
    paths = ("default_subscriptions", "minimum_versions")
    save_settings(played, before, *paths)


def test_conditions_of_defaults_are_set_and_shown_to_who_helps_a_family(
    enter: Enter, played: World
) -> None:
    before = read_settings(played)
    before.etag = ""
    page = enter(path=f"{D}/push/defaults")
    limit_grades(page, "101")
    save(page)
    expect(page.get_by_role("alert").first).to_contain_text("Nothing was saved")
    grades = condition(page, "Grade")
    expect(grades.get_by_text("A number from 0 to 100")).to_be_visible()
    grades.get_by_label("Only below").fill("69.5")
    grades.get_by_label("Told").select_option(label="whenever it is below")
    page.get_by_role("group", name="parents").get_by_text("Condition, Attendance: none").click()
    for mark in ("absent", "mark taken away", "unexcused"):
        condition(page, "Attendance").get_by_label(mark, exact=True).check()
    page.get_by_role("group", name="parents").get_by_text("Condition, Lunch balance: none").click()
    condition(page, "Lunch balance").get_by_label("Only below").fill("-2.75")
    save(page)
    expect(page.get_by_role("status")).to_contain_text("Done")
    expect(condition(page, "Lunch balance").get_by_label("Only below")).to_have_value("-2.75")
    stored = parents_conditions(played)
    assert stored[common_pb2.KIND_GRADE].grade == subscription_pb2.GradeCondition(
        below_percent=69.5, limit_trigger=subscription_pb2.LIMIT_TRIGGER_WHILE_BELOW
    )
    assert stored[common_pb2.KIND_ATTENDANCE].attendance == subscription_pb2.AttendanceCondition(
        statuses=[change_pb2.ATTENDANCE_STATUS_ABSENT, change_pb2.ATTENDANCE_STATUS_CLEARED],
        excuses=[change_pb2.ATTENDANCE_EXCUSE_UNEXCUSED],
    )
    balance = stored[common_pb2.KIND_LUNCH_BALANCE].lunch_balance.below_balance
    assert (balance.units, balance.nanos) == (-2, -750_000_000)
    assert not stored[common_pb2.KIND_ASSIGNMENT].HasField("assignment")
    page.goto(f"{played.origin}{D}/person/of?id=g5001")
    for kind, said in (("Grade", "only below 69.5%, whenever"), ("Attendance", "absent, mark")):
        expect(page.get_by_role("row").filter(has_text=kind)).to_contain_text(said)
    save_settings(played, before, "default_subscriptions")


def test_who_saves_a_condition_second_decides_and_takes_it_away_again(
    enter: Enter, played: World
) -> None:
    before = read_settings(played)
    before.etag = ""
    first, second = (enter(path=f"{D}/push/defaults") for _ in range(2))
    for page, limit in ((first, "69.5"), (second, "80")):
        limit_grades(page, limit)
        save(page)
    conflict = second.get_by_role("alert").filter(has_text="Somebody saved before you")
    row = conflict.get_by_role("row").filter(has_text="Only below").filter(has_text="Grade")
    expect(row).to_contain_text("69.5")
    expect(row).to_contain_text("80")
    second.get_by_role("button", name="Save mine").click()
    expect(second.get_by_role("status")).to_contain_text("Done")
    assert parents_conditions(played)[common_pb2.KIND_GRADE].grade.below_percent == 80
    condition(second, "Grade").get_by_label("Only below").fill("")
    save(second)
    parents = second.get_by_role("group", name="parents")
    expect(parents.get_by_text("Condition, Grade: none")).to_be_visible()
    assert not parents_conditions(played)[common_pb2.KIND_GRADE].HasField("grade")
    save_settings(played, before, "default_subscriptions")


def condition(page: Page, kind: str) -> Locator:
    """Return the fields of the condition under which parents are told of a kind."""
    parents = page.get_by_role("group", name="parents")
    return parents.get_by_role("group", name=f"Condition, {kind}")


def limit_grades(page: Page, limit: str) -> None:
    """Let parents be told of grades below a limit only."""
    parents = page.get_by_role("group", name="parents")
    parents.get_by_label("Grade", exact=True).check()
    parents.get_by_text("Condition, Grade: none").click()
    condition(page, "Grade").get_by_label("Only below").fill(limit)


def test_a_person_is_barred_and_the_bar_lifted_with_comments(enter: Enter, played: World) -> None:
    page = enter(path=f"{D}/why")
    page.get_by_role("link", name="Bars").first.click()
    form = page.locator("details.more form")
    page.get_by_text("Bar a person").click()
    form.get_by_label("Id of the student").fill("nobody-such")
    form.get_by_label("Id of the person").fill("g5001")
    form.get_by_label("Why?").fill("Order 12 <b>of 2027</b>")
    form.get_by_role("button", name="Bar").click()
    expect(page.get_by_role("alert").first).to_contain_text("does not know this student")
    expect(form.get_by_label("Why?")).to_have_value("Order 12 <b>of 2027</b>")
    form.get_by_label("Id of the student").fill("s1001")
    form.get_by_role("button", name="Bar").click()  # it is open still, with what was typed
    expect(page.get_by_role("status")).to_contain_text("The bar stands")
    row = page.get_by_role("row").filter(has_text="Order 12 <b>of 2027</b>")
    expect(row).to_contain_text("principal")
    row.get_by_text("Lift", exact=True).click()
    row.get_by_label("Why?").fill("The order ended")
    row.get_by_role("button", name="Lift the bar").click()
    expect(page.get_by_role("status")).to_contain_text("The bar is lifted")
    expect(row).to_have_count(0)
    page.goto(f"{played.origin}{D}/audit")
    expect(page.get_by_role("row").nth(1)).to_contain_text("Set or lifted a bar")


def test_who_may_only_see_bars_cannot_set_one(enter: Enter, played: World) -> None:
    played.keys["bars"] = played.person("bars", (access.TOOL_BARS, access.RIGHT_READ))
    page = enter("bars")
    expect(page.get_by_role("heading", level=1)).to_have_text("Bars")
    expect(page.get_by_role("button", name="Bar", exact=True)).to_have_count(0)
    expect(page.get_by_role("navigation").first.get_by_role("link")).to_have_text(["Bars"])


def save(page: Page) -> None:
    """Save the form of a page."""
    page.get_by_role("button", name="Save", exact=True).click()


def stored(world: World) -> settings.DisplayOptions:
    """Return what the calendar shows."""
    request = settings.GetDisplayOptionsRequest(district_id=DISTRICT, calendar_id=CALENDAR)
    answer = world.ask(access.ROLE_ADMINISTRATOR, "settings", "GetDisplayOptions", request)
    found: settings.DisplayOptions = answer.display_options
    return found


def change(world: World, *, enabled: bool) -> None:
    """Show or hide the calendar."""
    request = settings.UpdateDisplayOptionsRequest(
        district_id=DISTRICT,
        calendar_ids=[CALENDAR],
        display_options=settings.DisplayOptions(enabled=enabled),
        update_mask=FieldMask(paths=["enabled"]),
    )
    world.ask(access.ROLE_ADMINISTRATOR, "settings", "UpdateDisplayOptions", request)


def reset(world: World) -> None:
    """Let the district's default hold for the calendar again."""
    request = settings.ResetDisplayOptionsRequest(district_id=DISTRICT, calendar_ids=[CALENDAR])
    world.ask(access.ROLE_ADMINISTRATOR, "settings", "ResetDisplayOptions", request)


def read_settings(world: World) -> settings.Settings:
    """Return the settings of the district."""
    request = settings.GetSettingsRequest(district_id=DISTRICT)
    found: settings.Settings = world.ask(
        access.ROLE_ADMINISTRATOR, "settings", "GetSettings", request
    ).settings
    return found


def parents_conditions(world: World) -> dict[int, subscription_pb2.Condition]:
    """Return the conditions of what parents are told by default, by kind."""
    return {
        one.kind: one.condition
        for one in read_settings(world).default_subscriptions
        if one.app_type == common_pb2.APP_TYPE_PARENT
    }


def save_settings(world: World, values: settings.Settings, *paths: str) -> None:
    """Save some settings of the district."""
    request = settings.UpdateSettingsRequest(
        district_id=DISTRICT, settings=values, update_mask=FieldMask(paths=paths)
    )
    world.ask(access.ROLE_ADMINISTRATOR, "settings", "UpdateSettings", request)
