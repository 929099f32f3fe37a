"""Scores in points, as marks, and taken back."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest

from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.fact import FactState, Previous, Setter
from schoolbell_server.domain.fact_keys import fact_key
from schoolbell_server.domain.kinds import AssignmentAction, Gate, RefusalReason
from schoolbell_server.domain.kinds.assignment import (
    AssignmentChange,
    AssignmentCondition,
    DueDateValue,
    ScoreValue,
)
from tests.unit.domain.happenings import SIS, TODAY, VENDOR, assignment, at, change
from tests.unit.domain.memory import Memory
from tests.unit.domain.town import MOM, Town, verdict, world

SCORED, MISSING, CLEARED = (
    AssignmentAction.SCORED,
    AssignmentAction.MISSING,
    AssignmentAction.CLEARED,
)
NAMED = AssignmentCondition(actions=frozenset({SCORED, MISSING, CLEARED}))
UNCHANGED = Refusal(Gate.VALUE_CHANGED, RefusalReason.UNCHANGED)


def of(points: str, possible: str | None, percent: str | None = None) -> AssignmentChange:
    """Return a score in points."""
    chosen = None if possible is None else Decimal(possible)
    return replace(assignment(SCORED, percent, points=points), points_possible=chosen)


@pytest.mark.parametrize(
    ("score", "percent"),
    [
        (of("5", "10"), "50"),
        (of("1", "3"), "33.3333"),
        (of("0", "10"), "0"),
        (of("12", "10"), "120"),
        (of("5", "10", "80"), "80"),
        (of("5", None), None),
        (of("5", "0"), None),
        (of("999999", "0.0001"), "999999000000"),
    ],
)
def test_points_are_a_percentage_where_both_are_known(
    score: AssignmentChange, percent: str | None
) -> None:
    assert score.percent == (None if percent is None else Decimal(percent))


def test_5_of_10_fires_under_a_limit_of_70() -> None:
    """It was NO_NUMBER."""
    town = Town(world({MOM: AssignmentCondition(below_percent=Decimal(70))}))
    made = town.publish(change(of("5", "10")))
    assert verdict(made).refusal is None
    assert [one.told.current for one in made.deliveries] == [ScoreValue(Decimal(50), Decimal(5))]
    town.attempt()
    again = town.publish(change(of("4", "10"), 1))
    assert verdict(again).refusal == Refusal(Gate.CONDITION, RefusalReason.NOT_CROSSING, "50")


def test_points_that_were_known_without_a_percentage_are_no_news_with_it() -> None:
    """As after an update of Schoolbell: what is stored has no percentage."""
    memory = Memory()
    one = of("5", "10")
    memory.states[fact_key(change(one))] = FactState(
        value=ScoreValue(None, Decimal(5)),
        occur_time=at(0),
        set_time=at(0),
        setter=Setter(SIS, "english-1"),
    )
    update = memory.tell(one, 1)
    assert not update.changed
    assert memory.value(one) == ScoreValue(Decimal(50), Decimal(5))
    assert memory.tell(of("5", "10", "60"), 2).changed


def test_a_mark_is_part_of_the_value() -> None:
    memory = Memory()
    memory.tell(replace(assignment(SCORED), mark="B"), 1)
    assert memory.tell(replace(assignment(SCORED), mark="B+"), 2).changed
    assert not memory.tell(replace(assignment(SCORED), mark="B+"), 3).changed


def test_a_mark_alone_has_no_number() -> None:
    town = Town(world({MOM: AssignmentCondition(below_percent=Decimal(70))}))
    made = town.publish(change(replace(assignment(SCORED), mark="F")))
    assert verdict(made).refusal == Refusal(Gate.CONDITION, RefusalReason.NO_NUMBER)


class TestClearing:
    """What takes a score, or a missing flag, back."""

    @pytest.mark.parametrize("known", [assignment(SCORED, "40"), assignment(MISSING)])
    def test_makes_the_value_unknown(self, known: AssignmentChange) -> None:
        memory = Memory()
        memory.tell(known, 1)
        update = memory.tell(assignment(CLEARED), 2)
        assert (update.changed, update.current) == (True, None)
        assert memory.value(known) is None
        assert memory.tell(assignment(SCORED, "40"), 3).previous == Previous()

    def test_is_told_only_if_it_is_named(self) -> None:
        town = Town(world({MOM: NAMED, "dad": None}))
        town.publish(change(assignment(MISSING)))
        town.attempt()
        made = town.publish(change(assignment(CLEARED), 1))
        assert [one.device_id for one in made.deliveries] == [MOM]
        assert verdict(made, device_id="dad").refusal == Refusal(
            Gate.CONDITION, RefusalReason.ACTION_NOT_CHOSEN, "CLEARED"
        )

    @pytest.mark.parametrize("condition", [None, NAMED])
    def test_supersedes_what_has_not_left_and_then_tells_nothing(
        self, condition: AssignmentCondition | None
    ) -> None:
        """Who was not told of the score has nothing to be told of its end."""
        town = Town(world({MOM: condition}))
        town.publish(change(assignment(SCORED, "40")))
        made = town.publish(change(assignment(CLEARED), 1))
        assert len(made.superseded) == 1
        assert town.waiting == []

    def test_tells_whom_an_earlier_score_was_told(self) -> None:
        town = Town(world({MOM: NAMED}))
        town.publish(change(assignment(SCORED, "40")))
        town.attempt()
        town.publish(change(assignment(SCORED, "45"), 1))
        made = town.publish(change(assignment(CLEARED), 2))
        assert [one.told.previous.value for one in made.deliveries] == [ScoreValue(Decimal(40))]

    @pytest.mark.parametrize("source", [SIS, VENDOR])
    def test_before_any_score_changes_nothing(self, source: str) -> None:
        town = Town(world({MOM: NAMED}))
        made = town.publish(change(assignment(CLEARED), source=source))
        assert verdict(made).refusal == UNCHANGED
        assert verdict(town.publish(change(assignment(CLEARED), 1))).refusal == UNCHANGED

    def test_that_the_publisher_says_there_was_a_score_counts(self) -> None:
        town = Town(world({MOM: NAMED}))
        assert town.publish(change(assignment(CLEARED, before="40"))).deliveries

    def test_keeps_an_older_score_from_being_told(self) -> None:
        town = Town(world({MOM: NAMED}))
        town.publish(change(assignment(CLEARED), 2))
        made = town.publish(change(assignment(SCORED, "40"), 1))
        assert made.decisions[0].refusal is not None
        assert made.decisions[0].refusal.reason is RefusalReason.OLDER_THAN_KNOWN

    def test_that_is_older_than_a_score_leaves_it(self) -> None:
        town = Town(world({MOM: NAMED}))
        town.publish(change(assignment(SCORED, "40"), 2))
        made = town.publish(change(assignment(CLEARED), 1))
        assert made.superseded == {}
        assert town.waiting == [ScoreValue(Decimal(40))]

    def test_leaves_the_other_aspects(self) -> None:
        memory = Memory()
        due = assignment(AssignmentAction.DUE_DATE_MOVED, due=TODAY)
        memory.tell(due, 1)
        memory.tell(assignment(CLEARED), 2)
        assert memory.value(due) == DueDateValue(TODAY)


class TestThePreviousDueDate:
    """It counts only where no date is known."""

    def _moved(self, before: dt.date | None) -> AssignmentChange:
        moved = assignment(AssignmentAction.DUE_DATE_MOVED, due=TODAY)
        return replace(moved, previous_due_date=before)

    def test_is_taken_at_first(self) -> None:
        yesterday = TODAY - dt.timedelta(days=1)
        update = Memory().tell(self._moved(yesterday), 1)
        assert update.previous == Previous(value=DueDateValue(yesterday), from_publisher=True)

    def test_that_is_the_new_one_is_no_change(self) -> None:
        town = Town(world({MOM: None}))
        assert verdict(town.publish(change(self._moved(TODAY)))).refusal == UNCHANGED

    def test_gives_way_to_what_is_known(self) -> None:
        memory = Memory()
        memory.tell(self._moved(None), 1)
        update = memory.tell(self._moved(TODAY - dt.timedelta(days=3)), 2)
        assert not update.changed
        assert not update.previous.from_publisher


def test_a_previous_percentage_says_nothing_of_the_assignment_itself() -> None:
    given = assignment(AssignmentAction.ASSIGNED, before="40")
    assert Memory().tell(given, 1).previous == Previous()
