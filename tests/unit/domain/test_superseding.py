"""What has not left is taken back by what is newer, within a batch and over several."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import pytest

from schoolbell_server.domain.change import Change
from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.fact import Value
from schoolbell_server.domain.fact_keys import other_keys
from schoolbell_server.domain.kinds import (
    AssignmentAction,
    AttendanceExcuse,
    AttendanceStatus,
    Gate,
    RefusalReason,
    ResponsiveScheduleAction,
)
from schoolbell_server.domain.kinds.assignment import AssignedValue, AssignmentCondition, ScoreValue
from schoolbell_server.domain.kinds.attendance import AttendanceValue
from schoolbell_server.domain.kinds.grade import GradeCondition, GradeValue
from schoolbell_server.domain.kinds.responsive_schedule import ScheduleValue
from tests.unit.domain.happenings import (
    TODAY,
    VENDOR,
    assignment,
    change,
    flex,
    grade,
    grades,
    mark,
)
from tests.unit.domain.town import DAD, MOM, Town, world

ABSENT, TARDY = AttendanceStatus.ABSENT, AttendanceStatus.TARDY
PRESENT, CLEARED = AttendanceStatus.PRESENT, AttendanceStatus.CLEARED
ADDED, MOVED = ResponsiveScheduleAction.ADDED, ResponsiveScheduleAction.MOVED
ASSIGNED, SCORED = AssignmentAction.ASSIGNED, AssignmentAction.SCORED
WITHDRAWN, DUE = AssignmentAction.WITHDRAWN, AssignmentAction.DUE_DATE_MOVED
YESTERDAY = TODAY - dt.timedelta(days=1)
BELOW_70 = GradeCondition(below_percent=Decimal(70))


def percent(number: int) -> GradeValue:
    return GradeValue(Decimal(number))


def absence(status: AttendanceStatus) -> AttendanceValue:
    return AttendanceValue(status, AttendanceExcuse.UNDECIDED)


def split(changes: Sequence[Change], *, together: bool) -> list[list[Change]]:
    return [list(changes)] if together else [[one] for one in changes]


in_one_batch_or_several = pytest.mark.parametrize("together", [True, False])


@in_one_batch_or_several
class TestSuperseding:
    """Each example both within one batch and over several."""

    def told(self, town: Town, changes: Sequence[Change], together: bool) -> list[Value | None]:
        town.publish(change(grade("75"), 0))
        town.attempt()
        for batch in split(changes, together=together):
            town.publish(*batch)
        return town.waiting

    def test_75_65_68_tells_68(self, together: bool) -> None:
        town = Town()
        assert self.told(town, grades("65", "68"), together) == [percent(68)]
        assert list(town.told.values())[-1].told.previous.value == percent(75)

    def test_75_65_75_tells_nothing(self, together: bool) -> None:
        town = Town()
        assert self.told(town, grades("65", "75"), together) == []
        assert len(town.cancelled) == 1

    def test_crossing_is_judged_against_what_was_told(self, together: bool) -> None:
        town = Town(world({MOM: BELOW_70}))
        assert self.told(town, grades("65", "68"), together) == [percent(68)]

    def test_back_above_the_limit_takes_the_news_back(self, together: bool) -> None:
        town = Town(world({MOM: BELOW_70}))
        assert self.told(town, grades("65", "72"), together) == []

    def test_after_going_back_the_next_fall_is_news(self, together: bool) -> None:
        town = Town(world({MOM: BELOW_70}))
        assert self.told(town, grades("65", "75", "60"), together) == [percent(60)]

    def test_an_unchanged_value_cancels_nothing(self, together: bool) -> None:
        town = Town()
        assert self.told(town, grades("65", "65"), together) == [percent(65)]
        assert not town.cancelled

    def test_an_echo_cancels_nothing(self, together: bool) -> None:
        town = Town()
        changes = [change(grade("65"), 1), change(grade("65"), 2, source=VENDOR)]
        assert self.told(town, changes, together) == [percent(65)]

    def test_a_double_scheduled_absence_is_told_once(self, together: bool) -> None:
        town = Town()
        for batch in split(
            [change(mark(ABSENT, "a"), 1), change(mark(ABSENT, "b"), 2)], together=together
        ):
            town.publish(*batch)
        assert town.waiting == [absence(ABSENT)]

    def test_absent_then_tardy_tells_tardy(self, together: bool) -> None:
        town = Town()
        for batch in split([change(mark(ABSENT), 1), change(mark(TARDY), 2)], together=together):
            town.publish(*batch)
        assert town.waiting == [absence(TARDY)]

    @pytest.mark.parametrize("status", [PRESENT, CLEARED])
    def test_a_mark_lifted_before_any_attempt_is_cancelled_silently(
        self, together: bool, status: AttendanceStatus
    ) -> None:
        town = Town()
        for batch in split([change(mark(ABSENT), 1), change(mark(status), 2)], together=together):
            town.publish(*batch)
        assert (town.waiting, len(town.cancelled)) == ([], 1)

    def test_a_lifting_of_a_past_day_that_has_not_left_is_not_lost_when_it_is_cleared(
        self, together: bool
    ) -> None:
        """It lives for the day on which it is made, as the one does that it replaces."""
        town = Town()
        town.publish(change(mark(ABSENT, date=YESTERDAY), -24 * 60))
        town.attempt()
        for batch in split(
            [
                change(mark(PRESENT, date=YESTERDAY), 1),
                change(mark(CLEARED, date=YESTERDAY), 2),
            ],
            together=together,
        ):
            town.publish(*batch)
        correction = list(town.told.values())[-1]
        assert town.waiting == [AttendanceValue()]
        assert (correction.correction, correction.lifted) == (True, True)

    def test_a_withdrawal_cancels_every_aspect(self, together: bool) -> None:
        town = Town()
        changes = [
            change(assignment(ASSIGNED), 1),
            change(assignment(SCORED, "60"), 2),
            change(assignment(DUE, due=TODAY), 3),
            change(assignment(SCORED, "50", assignment_id="poem"), 4),
            change(assignment(WITHDRAWN), 5),
        ]
        for batch in split(changes, together=together):
            town.publish(*batch)
        assert town.waiting == [ScoreValue(Decimal(50))]
        assert len(town.cancelled) == 3

    def test_a_withdrawal_is_told_to_those_who_chose_it(self, together: bool) -> None:
        chosen = AssignmentCondition(actions=frozenset({ASSIGNED, WITHDRAWN}))
        town = Town(world({MOM: chosen, DAD: None}))
        town.publish(change(assignment(ASSIGNED), 1))
        town.attempt()
        for batch in split(
            [change(assignment(SCORED, "60"), 2), change(assignment(WITHDRAWN), 3)],
            together=together,
        ):
            town.publish(*batch)
        assert town.waiting == [AssignedValue(withdrawn=True)]
        assert list(town.told.values())[-1].device_id == MOM

    def test_a_move_replaces_the_news_of_its_old_place(self, together: bool) -> None:
        town = Town()
        changes = [change(flex(ADDED, "4"), 1), change(flex(MOVED, "5", before="4"), 2)]
        for batch in split(changes, together=together):
            town.publish(*batch)
        assert [planned.other_key for planned in town.told.values()] == [
            None,
            other_keys(changes[1])[0],
        ]
        assert (town.waiting, town.cancelled) == ([ScheduleValue("Robotics")], {"0"})

    def test_what_fills_the_old_place_leaves_the_move_standing(self, together: bool) -> None:
        town = Town()
        changes = [
            change(flex(MOVED, "5", before="4"), 1),
            change(flex(ADDED, "4", "Chess"), 2),
        ]
        for batch in split(changes, together=together):
            town.publish(*batch)
        assert town.waiting == [ScheduleValue("Robotics"), ScheduleValue("Chess")]


def test_a_lifting_of_a_past_day_that_left_is_not_told_again() -> None:
    town = Town()
    town.publish(change(mark(ABSENT, date=YESTERDAY), -24 * 60))
    town.attempt()
    town.publish(change(mark(PRESENT, date=YESTERDAY), 1))
    town.attempt()
    (decision,) = town.publish(change(mark(CLEARED, date=YESTERDAY), 2)).decisions
    assert decision.refusal == Refusal(Gate.TIMELY, RefusalReason.TOO_LATE, "0s")
    assert town.waiting == []


def test_what_replaces_a_lifting_of_a_past_day_by_another_mark_is_too_late() -> None:
    town = Town()
    town.publish(change(mark(ABSENT, date=YESTERDAY), -24 * 60))
    town.attempt()
    town.publish(change(mark(PRESENT, date=YESTERDAY), 1))
    (decision,) = town.publish(change(mark(TARDY, date=YESTERDAY), 2)).decisions
    assert decision.refusal == Refusal(Gate.TIMELY, RefusalReason.TOO_LATE, "0s")
