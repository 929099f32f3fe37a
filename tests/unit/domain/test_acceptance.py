"""The plan of a batch: who is told what, and what is taken back before it leaves."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbell_server.domain.change import Change
from schoolbell_server.domain.fact import Baseline, FactUpdate, Previous
from schoolbell_server.domain.fact_keys import fact_key, other_keys
from schoolbell_server.domain.kinds import (
    AppType,
    AssignmentAction,
    AttendanceExcuse,
    AttendanceStatus,
    DeliveryState,
    Gate,
    LimitTrigger,
    ResponsiveScheduleAction,
)
from schoolbell_server.domain.kinds.assignment import DueDateValue, ScoreValue
from schoolbell_server.domain.kinds.attendance import AttendanceValue
from schoolbell_server.domain.kinds.grade import GradeCondition, GradeValue
from schoolbell_server.domain.kinds.responsive_schedule import ScheduleValue
from schoolbell_server.domain.ledger import baselines_of
from tests.unit.domain.happenings import (
    TODAY,
    assignment,
    at,
    change,
    flex,
    grade,
    grades,
    mark,
)
from tests.unit.domain.memory import core, days
from tests.unit.domain.town import DAD, MOM, Town, verdict, world

ABSENT, TARDY = AttendanceStatus.ABSENT, AttendanceStatus.TARDY
PRESENT, CLEARED = AttendanceStatus.PRESENT, AttendanceStatus.CLEARED
ADDED, MOVED = ResponsiveScheduleAction.ADDED, ResponsiveScheduleAction.MOVED
ASSIGNED, SCORED = AssignmentAction.ASSIGNED, AssignmentAction.SCORED
WITHDRAWN, DUE = AssignmentAction.WITHDRAWN, AssignmentAction.DUE_DATE_MOVED
BELOW_70 = GradeCondition(below_percent=Decimal(70))


def percent(number: int) -> GradeValue:
    return GradeValue(Decimal(number))


def absence(status: AttendanceStatus) -> AttendanceValue:
    return AttendanceValue(status, AttendanceExcuse.UNDECIDED)


class TestAfterAnAttempt:
    """What may have been seen stands, and the newer news follows."""

    def test_the_newer_value_follows(self) -> None:
        town = Town()
        town.publish(*grades("75"))
        town.attempt()
        made = town.publish(*grades("65", start=2))
        assert made.superseded == {}
        assert verdict(made).previous.value == percent(75)

    def test_below_is_told_once_per_crossing(self) -> None:
        town = Town(world({MOM: BELOW_70}))
        told = []
        for minute, number in enumerate(["75", "65", "60", "70", "69.9999"]):
            town.publish(change(grade(number), minute))
            told.append(town.waiting)
            town.attempt()
        assert told == [[], [percent(65)], [], [], [GradeValue(Decimal("69.9999"))]]

    def test_while_below_tells_every_changed_value(self) -> None:
        every = replace(BELOW_70, limit_trigger=LimitTrigger.WHILE_BELOW)
        town = Town(world({MOM: every}))
        town.publish(*grades("65"))
        town.attempt()
        town.publish(*grades("60", start=2))
        assert town.waiting == [percent(60)]

    def test_back_to_the_value_that_was_told_before_is_news(self) -> None:
        town = Town()
        for minute, number in enumerate(["75", "65"]):
            town.publish(change(grade(number), minute))
            town.attempt()
        town.publish(change(grade("75"), 3))
        assert town.waiting == [percent(75)]

    @pytest.mark.parametrize("status", [PRESENT, CLEARED])
    def test_a_lifted_mark_sends_a_correction(self, status: AttendanceStatus) -> None:
        town = Town()
        town.publish(change(mark(ABSENT), 1))
        town.attempt()
        made = town.publish(change(mark(status), 2))
        (correction,) = made.deliveries
        assert (correction.correction, correction.lifted) == (True, True)
        assert correction.told.previous.value == absence(ABSENT)

    def test_a_rejected_delivery_needs_no_correction(self) -> None:
        town = Town()
        town.publish(change(mark(ABSENT), 1))
        town.attempt(seen=False)
        assert not town.publish(change(mark(PRESENT), 2)).deliveries

    def test_another_section_sends_no_correction(self) -> None:
        town = Town()
        town.publish(change(mark(ABSENT, "a"), 1))
        town.attempt()
        assert not town.publish(change(mark(PRESENT, "b"), 2)).deliveries

    def test_a_correction_goes_only_where_the_mark_went(self) -> None:
        town = Town(world({MOM: None, DAD: None}))
        town.publish(change(mark(ABSENT), 1))
        town.attempt()
        (dads,) = (i for i, planned in town.told.items() if planned.device_id == DAD)
        town.deliveries[dads] = replace(town.deliveries[dads], state=DeliveryState.REJECTED)
        made = town.publish(change(mark(PRESENT), 2))
        assert [planned.device_id for planned in made.deliveries] == [MOM]

    def test_a_correction_that_waits_is_cancelled_by_the_next_absence(self) -> None:
        town = Town()
        town.publish(change(mark(ABSENT), 1))
        town.attempt()
        town.publish(change(mark(PRESENT), 2))
        made = town.publish(change(mark(ABSENT), 3))
        assert town.waiting == []
        refusal = verdict(made).refusal
        assert refusal is not None
        assert refusal.gate in (Gate.VALUE_CHANGED, Gate.NOT_ALREADY_TOLD)

    def test_a_correction_of_an_unsent_tardy_after_a_told_absence(self) -> None:
        town = Town()
        town.publish(change(mark(ABSENT), 1))
        town.attempt()
        town.publish(change(mark(TARDY), 2))
        town.publish(change(mark(CLEARED), 3))
        assert town.waiting == [AttendanceValue()]
        last = list(town.told.values())[-1]
        assert (last.correction, last.told.previous.value) == (True, absence(ABSENT))


class TestWhateverGateFails:
    """A change that tells nobody still updates the fact and takes old news back."""

    def test_a_district_switched_off(self) -> None:
        town = Town()
        town.publish(*grades("75"))
        town.world = world(enabled=False)
        newer = change(grade("65"), 2)
        made = town.publish(newer)
        assert list(made.superseded.values()) == [newer.key]
        assert town.waiting == []

    def test_a_historical_change(self) -> None:
        town = Town()
        town.publish(change(grade("75"), 1))
        made = town.publish(change(grade("65"), 2, historical=True))
        assert (len(made.superseded), len(made.deliveries)) == (1, 0)
        assert made.states[fact_key(change(grade("65")))].value == percent(65)

    def test_an_older_change_takes_nothing_back(self) -> None:
        town = Town()
        town.publish(change(grade("75"), 5))
        made = town.publish(change(grade("65"), 4))
        refusal = made.decisions[0].refusal
        assert refusal is not None
        assert refusal.gate is Gate.NEWEST
        assert (made.states, made.superseded) == ({}, {})
        assert town.waiting == [percent(75)]

    def test_an_older_change_of_a_district_switched_off_does_not_update(self) -> None:
        town = Town(world(enabled=False))
        town.publish(change(grade("75"), 5))
        assert town.publish(change(grade("65"), 4)).states == {}


class TestTheBatch:
    """What the shell relies on."""

    def test_decisions_stand_in_the_order_of_the_batch(self) -> None:
        made = Town().publish(
            change(grade("75"), 3), change(mark(ABSENT), 1), change(grade("65"), 2)
        )
        assert [d.refusal is None for d in made.decisions] == [True, True, True]
        assert verdict(made, 0).previous.value is None
        assert [planned.index for planned in made.deliveries] == [1, 2, 0]

    def test_folds_by_occur_time_then_by_position(self) -> None:
        town = Town()
        made = town.publish(change(grade("75"), 2), change(grade("65"), 2), change(grade("90"), 1))
        assert not any(decision.refusal for decision in made.decisions)
        assert town.waiting == [percent(65)]

    def test_what_the_batch_itself_supersedes_is_planned_all_the_same(self) -> None:
        changes = grades("75", "65")
        made = Town().publish(*changes)
        first, second = made.deliveries
        assert (first.superseded_by, second.superseded_by) == (changes[1].key, None)

    def test_existing_deliveries_are_named_with_what_superseded_them_first(self) -> None:
        town = Town()
        town.publish(*grades("75"))
        changes = grades("65", "55", start=2)
        assert town.publish(*changes).superseded == {"0": changes[0].key}

    def test_states_are_sorted_and_only_those_that_changed(self) -> None:
        town = Town()
        town.publish(change(grade("75"), 1))
        made = town.publish(
            change(mark(ABSENT), 1), change(grade("65"), 0), change(assignment(SCORED, "9"), 1)
        )
        keys = list(made.states)
        assert keys == sorted(keys)
        assert fact_key(change(grade("1"))) not in keys

    def test_a_delivery_says_what_the_shell_must_write(self) -> None:
        hold = dt.timedelta(minutes=3)
        town = Town(world(hold=hold))
        moved = change(flex(MOVED, "5", before="4"))
        (planned,) = town.publish(moved).deliveries
        assert (planned.user_id, planned.device_id, planned.index) == (MOM, MOM, 0)
        assert (planned.fact_key, planned.other_key) == (fact_key(moved), other_keys(moved)[0])
        assert planned.told.current == ScheduleValue("Robotics")
        assert (planned.app, planned.hold) == (AppType.PARENT, hold)
        assert (planned.correction, planned.lifted) == (False, False)

    def test_a_kind_without_settings_waits_for_nothing(self) -> None:
        facts = world()
        plain = replace(facts, district=replace(facts.district, kinds={}))
        (planned,) = Town(plain).publish(*grades("65")).deliveries
        assert planned.hold == dt.timedelta(0)

    def test_each_guardian_has_a_baseline_of_their_own(self) -> None:
        town = Town(world({MOM: None, DAD: BELOW_70}))
        town.publish(*grades("65"))
        town.attempt()
        town.publish(*grades("80", start=2))
        town.publish(*grades("60", start=3))
        assert [
            (planned.device_id, planned.told.previous.value)
            for planned in list(town.told.values())[-2:]
        ] == [(DAD, percent(80)), (MOM, percent(65))]

    def test_an_empty_batch_is_an_empty_plan(self) -> None:
        made = Town().publish()
        assert (made.decisions, made.states, made.deliveries) == ([], {}, [])


def test_baselines_are_those_that_a_plan_would_use() -> None:
    town = Town()
    town.publish(*grades("75"))
    town.attempt()
    town.publish(*grades("65", start=2))
    now = Previous(value=percent(65), set_time=at(2))
    update = FactUpdate(key=fact_key(grades("1")[0]), previous=now, current=percent(68))
    expected = Previous(value=percent(75), set_time=at(1))
    found = baselines_of(update, town.deliveries.values(), town.states)
    assert found == {MOM: Baseline(previous=expected, attempted=True)}
    unchanged = replace(update, changed=False)
    assert baselines_of(unchanged, town.deliveries.values(), town.states) == {
        MOM: Baseline(previous=now, attempted=True)
    }


@given(days(), st.sets(st.integers(0, 12)), st.booleans())
def test_where_a_batch_is_split_never_matters_to_the_facts(
    day: list[Change], cuts: set[int], backwards: bool
) -> None:
    whole, parts = Town(), Town()
    whole.publish(*day)
    edges = sorted({0, len(day), *(cut for cut in cuts if cut < len(day))})
    batches = [day[start:end] for start, end in pairwise(edges)]
    for batch in reversed(batches) if backwards else batches:
        parts.publish(*batch)
    assert core(parts.states) == core(whole.states)


@given(days())
def test_at_most_one_delivery_a_fact_and_device_waits(day: list[Change]) -> None:
    town = Town(world({MOM: None, DAD: BELOW_70}))
    for one in day:
        town.publish(one)
        waiting = [(d.fact_key, d.device_id) for d in town.deliveries.values() if d.untouched]
        assert len(waiting) == len(set(waiting))


@given(days())
def test_what_waits_tells_the_value_that_stands(day: list[Change]) -> None:
    town = Town()
    town.publish(*day)
    for delivery_id, delivery in town.deliveries.items():
        if delivery.untouched:
            told = town.told[delivery_id].told
            assert told.current == town.states[delivery.fact_key].value


@given(days())
def test_in_one_batch_or_one_by_one_the_same_is_left_to_tell(day: list[Change]) -> None:
    whole, single = Town(), Town()
    whole.publish(*day)
    for one in day:
        single.publish(one)
    assert whole.waiting == single.waiting


def test_a_due_date_is_told_beside_a_score() -> None:
    town = Town()
    town.publish(change(assignment(DUE, due=TODAY), 1), change(assignment(SCORED, "80"), 2))
    assert town.waiting == [DueDateValue(TODAY), ScoreValue(Decimal(80))]
