"""Values as a clerk reads them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from schoolbell_server.domain.fact import Value, value_text
from schoolbell_server.domain.kinds import AttendanceExcuse, AttendanceStatus
from schoolbell_server.domain.kinds.assignment import AssignedValue, DueDateValue, ScoreValue
from schoolbell_server.domain.kinds.attendance import AttendanceValue
from schoolbell_server.domain.kinds.grade import GradeValue
from schoolbell_server.domain.kinds.lunch_balance import BalanceValue
from schoolbell_server.domain.kinds.responsive_schedule import ScheduleValue


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, ""),
        (ScoreValue(Decimal("65"), Decimal("13")), "65%, 13 points"),
        (ScoreValue(missing=True), "missing"),
        (ScoreValue(Decimal("1E+2")), "100%"),
        (ScoreValue(), "no score"),
        (AssignedValue(), "assigned"),
        (AssignedValue(withdrawn=True), "withdrawn"),
        (DueDateValue(dt.date(2026, 11, 24)), "2026-11-24"),
        (DueDateValue(), "no due date"),
        (GradeValue(Decimal("65.5"), "D"), "65.5%, D"),
        (GradeValue(mark="D"), "D"),
        (GradeValue(), "removed"),
        (
            AttendanceValue(AttendanceStatus.ABSENT, AttendanceExcuse.UNEXCUSED),
            "ABSENT, UNEXCUSED",
        ),
        (AttendanceValue(AttendanceStatus.PRESENT), "PRESENT"),
        (AttendanceValue(), "no mark"),
        (BalanceValue(Decimal("-4.50")), "-4.50"),
        (ScheduleValue("Robotics", "Room 4"), "Robotics, Room 4"),
        (ScheduleValue(), "scheduled"),
        (ScheduleValue(removed=True), "removed"),
    ],
)
def test_a_value_in_a_few_words(value: Value | None, said: str) -> None:
    assert value_text(value) == said
