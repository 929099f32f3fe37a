"""A fact's value as a short text, for whoever reads an explanation."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum

from schoolbell_server.domain.fact import (
    AssignedValue,
    AttendanceValue,
    BalanceValue,
    DueDateValue,
    GradeValue,
    ScheduleValue,
    ScoreValue,
    Value,
)


def value_text(value: Value | None) -> str:
    """Return a value in a few words; unknown is ''."""
    match value:
        case None:
            return ""
        case AssignedValue():
            return "withdrawn" if value.withdrawn else "assigned"
        case DueDateValue():
            return "no due date" if value.due_date is None else value.due_date.isoformat()
        case BalanceValue():
            return f"{value.balance:f}"
        case AttendanceValue():
            return _joined(_name(value.status), _name(value.excuse)) or "no mark"
        case ScoreValue() | GradeValue():
            return _result(value)
        case ScheduleValue():
            place = _joined(value.offering_name, value.location)
            return "removed" if value.removed else place or "scheduled"


def _result(value: ScoreValue | GradeValue) -> str:
    percent = _number(value.percent, "%")
    if isinstance(value, GradeValue):
        return _joined(percent, value.mark) or "removed"
    missing = "missing" if value.missing else ""
    points = _number(value.points, " points")
    return _joined(percent, points, value.mark, missing) or "no score"


def _name(member: IntEnum | None) -> str:
    return "" if member is None else member.name


def _number(number: Decimal | None, unit: str) -> str:
    return "" if number is None else f"{number:f}{unit}"


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
