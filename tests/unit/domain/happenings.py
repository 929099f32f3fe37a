"""Changes to test with: one student, one school day, a minute each."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import count

from schoolbell_server.domain.change import Change, ChangeKey, Payload
from schoolbell_server.domain.kinds import (
    AssignmentAction,
    AttendanceExcuse,
    AttendanceStatus,
    ResponsiveScheduleAction,
)
from schoolbell_server.domain.kinds.assignment import AssignmentChange
from schoolbell_server.domain.kinds.attendance import AttendanceChange
from schoolbell_server.domain.kinds.grade import GradeChange
from schoolbell_server.domain.kinds.lunch_balance import LunchBalanceChange
from schoolbell_server.domain.kinds.responsive_schedule import ResponsiveScheduleChange

ZONE = "America/Chicago"
TODAY = dt.date(2026, 9, 15)
NOON = dt.datetime(2026, 9, 15, 17, tzinfo=dt.UTC)
"""Noon of that Tuesday in Chicago."""

SIS, VENDOR = "sis", "vendor"
_numbers = count(1)


def at(minute: float) -> dt.datetime:
    """Return a time some minutes after noon."""
    return NOON + dt.timedelta(minutes=minute)


def change(
    payload: Payload,
    minute: float = 0,
    *,
    source: str = SIS,
    student_id: str = "ann",
    calendar_id: str | None = "maple:2027",
    historical: bool = False,
) -> Change:
    """Return a change with a key of its own."""
    return Change(
        key=ChangeKey(source=source, change_id=str(next(_numbers))),
        student_id=student_id,
        calendar_id=calendar_id,
        occur_time=at(minute),
        payload=payload,
        historical=historical,
    )


def assignment(
    action: AssignmentAction = AssignmentAction.SCORED,
    percent: str | None = None,
    *,
    assignment_id: str = "essay",
    before: str | None = None,
    points: str | None = None,
    due: dt.date | None = None,
) -> AssignmentChange:
    """Return what a teacher did with an assignment."""
    return AssignmentChange(
        action=action,
        assignment_id=assignment_id,
        section_id="english-1",
        due_date=due,
        score_percent=_decimal(percent),
        previous_score_percent=_decimal(before),
        points=_decimal(points),
    )


def grade(percent: str | None, mark: str = "", *, before: str | None = None) -> GradeChange:
    """Return a posted grade."""
    return GradeChange(
        section_id="english-1",
        grading_task="Term grade",
        grading_period="T1",
        percent=_decimal(percent),
        previous_percent=_decimal(before),
        mark=mark,
    )


def grades(*percents: str, start: int = 1) -> list[Change]:
    """Return grades of the same task, a minute each."""
    return [change(grade(percent), minute) for minute, percent in enumerate(percents, start)]


def mark(
    status: AttendanceStatus,
    section: str = "english-1",
    *,
    excuse: AttendanceExcuse = AttendanceExcuse.UNDECIDED,
    date: dt.date = TODAY,
    period: str = "1",
) -> AttendanceChange:
    """Return a section's attendance mark."""
    return AttendanceChange(
        date=date, period=period, status=status, excuse=excuse, section_id=section
    )


def balance(amount: str, *, before: str | None = None) -> LunchBalanceChange:
    """Return a lunch balance."""
    return LunchBalanceChange(
        account_id="meals", balance=Decimal(amount), previous_balance=_decimal(before)
    )


def flex(
    action: ResponsiveScheduleAction,
    period: str,
    offering: str = "Robotics",
    *,
    before: str | None = None,
    date: dt.date = TODAY,
    date_before: dt.date | None = None,
    location: str = "",
) -> ResponsiveScheduleChange:
    """Return a change of a flexible period; `before` is the period of a move's old place."""
    return ResponsiveScheduleChange(
        action=action,
        date=date,
        period=period,
        offering_name=offering,
        location=location,
        previous_date=date_before,
        previous_period=before,
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
