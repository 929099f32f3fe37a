"""What a settings page offers, and the gate that closes what it does not."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from schoolbell_server.domain.kinds import AppType, Gate, Kind
from schoolbell_server.domain.offers import Offer, offers
from schoolbell_server.domain.world import (
    CalendarFacts,
    DisplayOptions,
    EnrollmentFacts,
    StudentFacts,
    Term,
    UserFacts,
    World,
)
from tests.unit.domain.happenings import TODAY
from tests.unit.domain.town import DAD, MOM, world

DAY = dt.timedelta(days=1)
MAPLE = "maple:2027"
EVERYTHING: dict[Kind, Gate | None] = dict.fromkeys(Kind)


def page(
    facts: World, user_id: str = MOM, app: AppType = AppType.PARENT, today: dt.date = TODAY
) -> dict[Kind, Gate | None]:
    """Return what closes each kind of a world's one student."""
    found = list(offers(facts, user_id, app, today))
    assert {one.student_id for one in found} == {"ann"}
    assert len(found) == len(Kind)
    return {one.kind: one.closed_by for one in found}


def closed(gate: Gate, *but: Kind) -> dict[Kind, Gate | None]:
    return {kind: None if kind in but else gate for kind in Kind}


def ann(facts: World, **fields: object) -> World:
    student = replace(facts.students["ann"], **fields)  # type: ignore[arg-type]
    return replace(facts, students={"ann": student})


def calendar(facts: World, calendar_id: str = MAPLE, **fields: object) -> World:
    """Return a world whose calendar is as given, or that has one more like it."""
    one: CalendarFacts = replace(facts.calendars[MAPLE], calendar_id=calendar_id, **fields)  # type: ignore[arg-type]
    return replace(facts, calendars={**facts.calendars, calendar_id: one})


def stay(calendar_id: str = MAPLE, start: dt.date = TODAY, end: dt.date = TODAY) -> EnrollmentFacts:
    return EnrollmentFacts(
        enrollment_id=calendar_id, calendar_id=calendar_id, start_date=start, end_date=end
    )


def test_everything_is_offered() -> None:
    assert page(world()) == EVERYTHING


def test_the_student_is_offered_what_concerns_the_student() -> None:
    assert page(world(), "ann", AppType.STUDENT) == EVERYTHING


def test_each_student_has_a_line_a_kind_by_id() -> None:
    facts = world()
    bob = StudentFacts(student=UserFacts(user_id="bob"))
    both = replace(facts, students={"bob": bob, "ann": facts.students["ann"]})
    found = list(offers(both, MOM, AppType.PARENT, TODAY))
    assert found[:5] == [Offer("ann", kind, None) for kind in Kind]
    assert [one.student_id for one in found[5:]] == ["bob"] * 5
    assert all(one.closed_by for one in found[5:])


def test_a_district_switched_off() -> None:
    assert page(world(enabled=False)) == closed(Gate.DISTRICT_ENABLED)


def test_a_licence() -> None:
    facts = world()
    district = replace(facts.district, licensed_kinds=frozenset({Kind.GRADE}))
    assert page(replace(facts, district=district)) == closed(Gate.KIND_LICENSED, Kind.GRADE)


def test_the_year() -> None:
    facts = world()
    district = replace(facts.district, active_school_year=2028)
    assert page(replace(facts, district=district)) == closed(Gate.ACTIVE_YEAR)


def test_a_calendar_that_is_not_enabled() -> None:
    facts = calendar(world(), display_options=DisplayOptions(enabled=False))
    assert page(facts) == closed(Gate.CALENDAR_ENABLED)


def test_a_gap_between_terms() -> None:
    """Grades and assignments are posted late, and lunch knows no terms."""
    over = Term(term_id="t", name="", start_date=TODAY - 9 * DAY, end_date=TODAY - DAY)
    late = (Kind.ASSIGNMENT, Kind.GRADE, Kind.LUNCH_BALANCE)
    assert page(calendar(world(), terms=(over,))) == closed(Gate.CALENDAR_ENABLED, *late)


def test_a_tool_that_the_parents_app_hides() -> None:
    shown = {AppType.STUDENT: frozenset(Kind), AppType.PARENT: frozenset({Kind.ATTENDANCE})}
    facts = calendar(world(), display_options=DisplayOptions(app_kinds=shown))
    assert page(facts) == closed(Gate.TOOL_SHOWN, Kind.ATTENDANCE)
    assert page(facts, "ann", AppType.STUDENT) == EVERYTHING


@pytest.mark.parametrize("day", [TODAY - DAY, TODAY + DAY])
def test_a_day_outside_of_the_enrolment(day: dt.date) -> None:
    facts = ann(world(), enrollments=(stay(),))
    assert page(facts) == EVERYTHING
    grace = (Kind.ASSIGNMENT, Kind.GRADE) if day > TODAY else ()
    assert page(facts, today=day) == closed(Gate.ENROLLED, *grace)


def test_nobody_s_guardian() -> None:
    assert page(world(), DAD) == closed(Gate.RELATED)


def test_a_relationship_that_ended() -> None:
    facts = world()
    (relationship,) = facts.students["ann"].relationships
    ended = ann(facts, relationships=(replace(relationship, end_date=TODAY),))
    assert page(ended) == EVERYTHING
    assert page(ended, today=TODAY + DAY) == closed(Gate.RELATED)


def test_neither_an_account_nor_a_device_is_asked_for() -> None:
    """The page is shown on a device that has just registered."""
    facts = world()
    (relationship,) = facts.students["ann"].relationships
    stranger = replace(
        relationship, guardian=replace(relationship.guardian, enabled=False, devices=())
    )
    assert page(ann(facts, relationships=(stranger,))) == EVERYTHING


def test_one_open_calendar_is_enough() -> None:
    facts = calendar(world(), "oak:2027", display_options=DisplayOptions(enabled=False))
    both = ann(facts, enrollments=(stay("oak:2027"), stay(MAPLE)))
    assert page(both) == EVERYTHING


def test_of_closed_calendars_the_one_that_gets_furthest_counts() -> None:
    facts = calendar(world(), "oak:2027", school_year=2026)
    facts = calendar(facts, "elm:2027", display_options=DisplayOptions(enabled=False))
    stays = (stay("oak:2027"), stay("elm:2027"))
    assert page(ann(facts, enrollments=stays)) == closed(Gate.CALENDAR_ENABLED)
    hidden = calendar(facts, display_options=DisplayOptions(app_kinds={}))
    assert page(ann(hidden, enrollments=(*stays, stay()))) == closed(Gate.TOOL_SHOWN)
    ended = stay(start=TODAY - 60 * DAY, end=TODAY - 30 * DAY)
    assert page(ann(facts, enrollments=(*stays, ended))) == closed(Gate.ENROLLED)
    hiding = calendar(facts, "fir:2027", display_options=DisplayOptions(app_kinds={}))
    of_four = ann(hiding, enrollments=(*stays, ended, stay("fir:2027")))
    assert page(of_four) == closed(Gate.TOOL_SHOWN)


def test_a_student_without_any_enrolment() -> None:
    assert page(ann(world(), enrollments=())) == closed(Gate.ENROLLED)


def test_today_is_the_school_s_day_wherever_it_is() -> None:
    facts = world()
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        there = replace(facts, district=replace(facts.district, time_zone=zone))
        there = ann(calendar(there, time_zone=zone), enrollments=(stay(),))
        assert page(there) == EVERYTHING
