"""What one change does to the facts that it touches."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbell_server.domain.change import Change, Payload
from schoolbell_server.domain.fact import FactUpdate, Previous, Setter, Value
from schoolbell_server.domain.fact_keys import all_keys, fact_key, other_keys
from schoolbell_server.domain.kinds import (
    AssignmentAction,
    AttendanceExcuse,
    AttendanceStatus,
    ResponsiveScheduleAction,
)
from schoolbell_server.domain.kinds.assignment import (
    AssignedValue,
    AssignmentChange,
    DueDateValue,
    ScoreValue,
)
from schoolbell_server.domain.kinds.attendance import AttendanceValue
from schoolbell_server.domain.kinds.grade import GradeValue
from schoolbell_server.domain.kinds.lunch_balance import BalanceValue
from schoolbell_server.domain.kinds.responsive_schedule import ScheduleValue
from tests.unit.domain.happenings import (
    SIS,
    TODAY,
    VENDOR,
    assignment,
    at,
    balance,
    change,
    flex,
    grade,
    mark,
)
from tests.unit.domain.memory import NOTHING, Memory, core, days, folded_in

SECOND = dt.timedelta(seconds=1)  # from a change to its receipt
ASSIGNED, SCORED = AssignmentAction.ASSIGNED, AssignmentAction.SCORED
MISSING, WITHDRAWN = AssignmentAction.MISSING, AssignmentAction.WITHDRAWN
DUE = AssignmentAction.DUE_DATE_MOVED
ABSENT, TARDY = AttendanceStatus.ABSENT, AttendanceStatus.TARDY
PRESENT, CLEARED = AttendanceStatus.PRESENT, AttendanceStatus.CLEARED
ADDED, MOVED, REMOVED = (
    ResponsiveScheduleAction.ADDED,
    ResponsiveScheduleAction.MOVED,
    ResponsiveScheduleAction.REMOVED,
)
UNKNOWN, EXCUSED = AttendanceExcuse.UNDECIDED, AttendanceExcuse.EXCUSED


FIRST_VALUES: dict[str, tuple[Payload, Value]] = {
    "a score": (
        assignment(SCORED, "88.5", points="17.7"),
        ScoreValue(Decimal("88.5"), Decimal("17.7")),
    ),
    "a score in points alone": (
        assignment(SCORED, points="3"),
        ScoreValue(None, Decimal(3)),
    ),
    "missing": (assignment(MISSING), ScoreValue(missing=True)),
    "missing, counted as 0": (assignment(MISSING, "0"), ScoreValue(Decimal(0), None, True)),
    "assigned": (assignment(ASSIGNED, due=TODAY), AssignedValue()),
    "withdrawn": (assignment(WITHDRAWN), AssignedValue(withdrawn=True)),
    "a due date": (assignment(DUE, due=TODAY), DueDateValue(TODAY)),
    "a grade": (grade("91", "A-"), GradeValue(Decimal(91), "A-")),
    "a grade's removal": (grade(None), GradeValue()),
    "an absence": (mark(ABSENT, excuse=EXCUSED), AttendanceValue(ABSENT, EXCUSED)),
    "nothing to clear": (mark(CLEARED), AttendanceValue()),
    "a balance": (balance("-2.35"), BalanceValue(Decimal("-2.35"))),
    "an offering": (
        flex(ADDED, "4", "Chess", location="Room 2"),
        ScheduleValue("Chess", "Room 2"),
    ),
    "an offering's removal": (flex(REMOVED, "4", "Chess"), ScheduleValue(removed=True)),
}


@pytest.mark.parametrize(("payload", "value"), FIRST_VALUES.values(), ids=FIRST_VALUES)
def test_the_first_value_of_a_fact(payload: Payload, value: Value) -> None:
    memory, one = Memory(), change(payload)
    update = memory.take(one).update
    assert update.key == fact_key(one)
    assert (update.previous, update.current) == (Previous(), value)
    assert update.changed
    assert (update.older, update.same_setter, update.lifted) == (False, False, False)
    assert memory.states[update.key].value == value


def test_the_next_value_knows_the_one_before() -> None:
    memory = Memory()
    memory.tell(grade("75", before="99"), 1)
    update = memory.tell(grade("65", before="99"), 2)
    set_time = at(1) + SECOND
    assert update.previous == Previous(value=GradeValue(Decimal(75)), set_time=set_time)
    assert update.current == GradeValue(Decimal(65))
    assert update.known_time == at(1)


@pytest.mark.parametrize(
    ("known", "late", "value"),
    [
        (grade("75"), grade("65"), GradeValue(Decimal(75))),
        (mark(ABSENT), mark(CLEARED), AttendanceValue(ABSENT, AttendanceExcuse.UNDECIDED)),
    ],
)
def test_an_older_change_sees_the_value_that_stands(
    known: Payload, late: Payload, value: Value
) -> None:
    memory = Memory()
    memory.tell(known, 5)
    before = dict(memory.states)
    assert memory.tell(late, 4) == FactUpdate(
        key=fact_key(change(late)),
        previous=Previous(value=value, set_time=at(5) + SECOND),
        current=value,
        older=True,
        known_time=at(5),
        changed=False,
    )
    assert memory.states == before


def test_a_value_that_stays_keeps_who_set_it_and_when() -> None:
    memory = Memory()
    memory.tell(mark(ABSENT, "a"), 1)
    memory.tell(mark(ABSENT, "b"), 2)
    (state,) = memory.states.values()
    assert (state.setter, state.set_time) == (Setter(SIS, "a"), at(1) + SECOND)
    assert state.occur_time == at(2)
    memory.tell(mark(TARDY, "a"), 3)
    assert memory.tell(mark(TARDY, "b"), 4).known_time == at(2)
    (state,) = memory.states.values()
    assert (state.setter, state.set_time) == (Setter(SIS, "b"), at(4) + SECOND)


def test_a_move_sets_its_old_place_too() -> None:
    memory = Memory()
    moved = change(flex(MOVED, "5", before="4"), 1)
    memory.take(moved)
    old = memory.states[other_keys(moved)[0]]
    assert (old.setter, old.set_time) == (Setter(SIS, ""), at(1) + SECOND)
    memory.take(change(flex(MOVED, "6", before="4"), 2, source=VENDOR))
    assert memory.states[other_keys(moved)[0]] == replace(old, occur_time=at(2))


def test_names_and_comments_are_no_part_of_the_value() -> None:
    memory = Memory()
    memory.tell(
        AssignmentChange(action=SCORED, assignment_id="e", section_id="s", title="Essay"), 1
    )
    renamed = AssignmentChange(action=SCORED, assignment_id="e", section_id="s", title="The essay")
    assert not memory.tell(renamed, 2).changed


def test_equal_numbers_written_differently_are_one_value() -> None:
    memory = Memory()
    memory.tell(balance("9.5"), 1)
    assert not memory.tell(balance("9.50"), 2).changed


class TestThePublishersPrevious:
    """It counts only where Schoolbell knows nothing."""

    @pytest.mark.parametrize(
        ("payload", "value"),
        [
            (assignment(SCORED, "60", before="80"), ScoreValue(Decimal(80))),
            (grade("60", "D", before="80"), GradeValue(Decimal(80))),
            (balance("3", before="12"), BalanceValue(Decimal(12))),
        ],
    )
    def test_is_taken_at_first(self, payload: Payload, value: Value) -> None:
        update = Memory().tell(payload, 1)
        assert update.previous == Previous(value=value, from_publisher=True)
        assert update.changed

    @pytest.mark.parametrize(
        "payload",
        [
            assignment(SCORED, "80", before="80", points="8"),
            grade("80", "B-", before="80.0"),
            balance("3.00", before="3"),
        ],
    )
    def test_equal_to_the_new_number_is_no_change(self, payload: Payload) -> None:
        update = Memory().tell(payload, 1)
        assert not update.changed
        assert update.previous.from_publisher

    def test_of_zero_does_not_hide_that_it_is_missing_now(self) -> None:
        assert Memory().tell(assignment(MISSING, "0", before="0"), 1).changed

    def test_is_taken_again_once_a_withdrawal_made_the_value_unknown(self) -> None:
        memory = Memory()
        memory.tell(assignment(SCORED, "90"), 1)
        memory.tell(assignment(WITHDRAWN), 2)
        update = memory.tell(assignment(SCORED, "60", before="80"), 3)
        assert update.previous == Previous(value=ScoreValue(Decimal(80)), from_publisher=True)


class TestOrder:
    """By occur time, then by arrival."""

    def test_an_older_change_changes_nothing(self) -> None:
        memory = Memory()
        memory.tell(grade("75"), 5)
        before = dict(memory.states)
        folded = memory.take(change(grade("20"), 4, source=VENDOR))
        assert folded.update.older
        assert folded.update.known_time == at(5)
        assert folded.update.current == GradeValue(Decimal(75))
        assert not folded.update.changed
        assert (folded.states, folded.changed_keys, memory.states) == ({}, (), before)

    def test_of_equal_times_the_later_arrival_counts(self) -> None:
        memory = Memory()
        memory.tell(grade("75"), 5)
        update = memory.tell(grade("20"), 5)
        assert not update.older
        assert memory.value(grade(None)) == GradeValue(Decimal(20))

    def test_saying_the_same_again_makes_the_value_newer(self) -> None:
        memory = Memory()
        memory.tell(grade("75"), 1)
        memory.tell(grade("75"), 9)
        assert memory.tell(grade("20"), 5).older

    def test_a_historical_change_updates_the_fact(self) -> None:
        memory = Memory()
        memory.take(change(grade("75"), historical=True))
        assert memory.tell(grade("65"), 1).previous.value == GradeValue(Decimal(75))

    def test_a_value_that_stays_keeps_who_set_it_and_when(self) -> None:
        memory = Memory()
        memory.tell(grade("75"), 1)
        memory.tell(grade("75"), 9, VENDOR)
        (state,) = memory.states.values()
        assert state.setter == Setter(SIS, "english-1")
        assert state.set_time == at(1) + dt.timedelta(seconds=1)
        assert state.occur_time == at(9)


class TestWhoSaysSo:
    """An unchanged value is a re-save of its setter, or somebody else's echo."""

    @pytest.mark.parametrize("payload", [grade("75"), balance("5"), flex(ADDED, "4"), mark(ABSENT)])
    def test_two_sources(self, payload: Payload) -> None:
        memory = Memory()
        memory.tell(payload, 1)
        again, echo = memory.tell(payload, 2), memory.tell(payload, 3, VENDOR)
        assert (again.changed, again.same_setter) == (False, True)
        assert (echo.changed, echo.same_setter) == (False, False)

    def test_the_echo_does_not_become_the_setter(self) -> None:
        memory = Memory()
        for source in (SIS, VENDOR):
            memory.tell(grade("75"), 1, source)
        assert memory.tell(grade("75"), 2).same_setter

    def test_two_sections_of_one_period(self) -> None:
        memory = Memory()
        memory.tell(mark(ABSENT, "a"), 1)
        first, again = memory.tell(mark(ABSENT, "b"), 2), memory.tell(mark(ABSENT, "b"), 3)
        assert (first.changed, first.same_setter) == (False, False)
        assert (again.changed, again.same_setter) == (False, True)


class TestAWithdrawal:
    """It belongs to the aspect assigned and makes the others unknown."""

    def test_makes_the_score_and_the_due_date_unknown(self) -> None:
        memory = Memory()
        memory.tell(assignment(ASSIGNED), 1)
        memory.tell(assignment(SCORED, "60"), 2)
        memory.tell(assignment(DUE, due=TODAY), 3)
        withdrawn = change(assignment(WITHDRAWN), 4)
        folded = memory.take(withdrawn)
        assert folded.update.previous.value == AssignedValue()
        assert set(folded.changed_keys) == set(all_keys(withdrawn))
        assert memory.value(assignment(SCORED)) is None
        assert memory.value(assignment(DUE)) is None

    def test_the_next_score_is_a_first_one(self) -> None:
        memory = Memory()
        memory.tell(assignment(SCORED, "60"), 1)
        memory.tell(assignment(WITHDRAWN), 2)
        update = memory.tell(assignment(SCORED, "60"), 3)
        assert update.previous == Previous()
        assert update.changed

    def test_spares_a_score_that_is_newer(self) -> None:
        memory = Memory()
        memory.tell(assignment(SCORED, "60"), 5)
        memory.tell(assignment(WITHDRAWN), 4)
        assert memory.value(assignment(SCORED)) == ScoreValue(Decimal(60))

    def test_reaches_an_old_score_though_it_is_older_than_the_assignment(self) -> None:
        memory = Memory()
        memory.tell(assignment(SCORED, "60"), 1)
        memory.tell(assignment(ASSIGNED), 5)
        withdrawn = change(assignment(WITHDRAWN), 3)
        folded = memory.take(withdrawn)
        assert folded.update.older
        assert folded.changed_keys == (fact_key(change(assignment(SCORED))),)
        assert memory.value(assignment(ASSIGNED)) == AssignedValue()
        assert memory.value(assignment(SCORED)) is None

    def test_reaches_a_score_of_its_own_moment_that_arrived_before_it(self) -> None:
        memory = Memory()
        memory.tell(assignment(SCORED, "60"), 1)
        memory.tell(assignment(WITHDRAWN), 1)
        assert memory.value(assignment(SCORED)) is None

    def test_repeated_it_changes_nothing(self) -> None:
        memory = Memory()
        memory.tell(assignment(WITHDRAWN), 1)
        folded = memory.take(change(assignment(WITHDRAWN), 2))
        assert (folded.update.changed, folded.changed_keys) == (False, ())


class TestAMove:
    """It touches two facts and tells the new one."""

    def test_fills_the_new_place_and_empties_the_old(self) -> None:
        memory = Memory()
        memory.tell(flex(ADDED, "4"), 1)
        moved = change(flex(MOVED, "5", before="4"), 2)
        update = memory.take(moved).update
        assert (update.key, update.other_key) == (fact_key(moved), other_keys(moved)[0])
        assert update.current == ScheduleValue("Robotics")
        assert memory.value(flex(ADDED, "5")) == ScheduleValue("Robotics")
        assert memory.value(flex(ADDED, "4")) == ScheduleValue(removed=True)

    def test_the_old_place_tells_news_afterwards(self) -> None:
        memory = Memory()
        memory.tell(flex(MOVED, "5", before="4"), 2)
        update = memory.tell(flex(ADDED, "4", "Chess"), 3)
        assert update.previous.value == ScheduleValue(removed=True)

    def test_that_only_empties_its_old_place_is_news(self) -> None:
        memory = Memory()
        memory.tell(flex(ADDED, "4"), 1)
        memory.tell(flex(ADDED, "5"), 1)
        assert memory.tell(flex(MOVED, "5", before="4"), 2).changed
        assert not memory.tell(flex(MOVED, "5", before="4"), 3).changed

    def test_late_for_its_new_place_still_empties_its_old_one(self) -> None:
        memory = Memory()
        memory.tell(flex(ADDED, "4"), 1)
        memory.tell(flex(ADDED, "5", "Chess"), 9)
        assert memory.tell(flex(MOVED, "5", before="4"), 5).older
        assert memory.value(flex(ADDED, "5")) == ScheduleValue("Chess")
        assert memory.value(flex(ADDED, "4")) == ScheduleValue(removed=True)

    def test_another_location_is_another_value(self) -> None:
        memory = Memory()
        memory.tell(flex(ADDED, "4", location="Gym"), 1)
        assert memory.tell(flex(ADDED, "4", location="Hall"), 2).changed


@given(days(), st.randoms())
def test_the_order_of_arrival_never_matters_in_the_end(day: list[Change], random: Random) -> None:
    shuffled = day.copy()
    random.shuffle(shuffled)
    assert folded_in(shuffled) == folded_in(day)


@given(days())
def test_an_update_says_what_is_stored(day: list[Change]) -> None:
    memory = Memory()
    for one in day:
        before = core(memory.states)
        folded = memory.take(one)
        after = core(memory.states)
        assert folded.update.current == after[folded.update.key][0]
        assert folded.states.keys() <= set(all_keys(one))
        differing = {key for key in after if after[key][0] != before.get(key, NOTHING)[0]}
        assert differing <= set(folded.changed_keys)
        assert folded.update.changed or folded.update.older or not folded.changed_keys
