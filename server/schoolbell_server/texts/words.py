"""Which message tells a change, and with which values: no text here, only names."""

from __future__ import annotations

from typing import Any

from fluent.runtime.types import fluent_date, fluent_number

from schoolbell_server.domain.change import (
    AssignmentChange,
    AttendanceChange,
    Change,
    GradeChange,
    LunchBalanceChange,
    ResponsiveScheduleChange,
)
from schoolbell_server.domain.kinds import AssignmentAction

Values = dict[str, Any]
_LONGEST = 200  # characters of a name within a text


def message_of(change: Change, *, correction: bool) -> str:
    """Return the id of the message that tells a change."""
    match change.payload:
        case AssignmentChange(action=AssignmentAction.SCORED, score_percent=None):
            return "assignment-scored-points"
        case AssignmentChange(action=action):
            return f"assignment-{_slug(action.name)}"
        case GradeChange(percent=None, mark=""):
            return "grade-removed"
        case GradeChange(percent=None):
            return "grade-posted-mark"
        case GradeChange():
            return "grade-posted"
        case AttendanceChange() if correction:
            return "attendance-corrected"
        case AttendanceChange(status=status):
            return f"attendance-{_slug(status.name)}"
        case LunchBalanceChange():
            return "lunch-balance"
        case ResponsiveScheduleChange(action=schedule):
            return f"schedule-{_slug(schedule.name)}"


def values_of(change: Change, student_name: str, currency_code: str) -> Values:
    """Return the values that a detailed text may name; every message takes what it needs."""
    values: Values = {"student": clean(student_name) or "•", "course": "•", "title": "•"}
    match change.payload:
        case AssignmentChange() as one:
            values |= _assignment(one)
        case GradeChange() as one:
            values |= {"task": clean(one.task), "mark": clean(one.mark)}
            if one.percent is not None:
                values["percent"] = float(one.percent)
        case AttendanceChange() as one:
            values |= {"period": clean(one.period), "date": _date(one.date)}
            values["when"] = "period" if one.period else "day"
        case LunchBalanceChange() as one:
            values["balance"] = fluent_number(one.balance, style="currency", currency=currency_code)
        case ResponsiveScheduleChange() as one:
            offering = clean(one.offering_name) or clean(one.previous_offering_name)
            values |= {"period": clean(one.period), "date": _date(one.date)}
            values |= {"offering": offering or "•", "place": clean(one.location)}
            values["known-place"] = "yes" if one.location else "no"
    course = clean(getattr(change.payload, "course_name", ""))
    section = clean(getattr(change.payload, "section_id", ""))
    values["course"] = course or section or "•"
    return values


def _assignment(one: AssignmentChange) -> Values:
    values: Values = {"title": clean(one.title) or clean(one.assignment_id)}
    if one.score_percent is not None:
        values["percent"] = float(one.score_percent)
    if one.points is not None:
        values["points"] = float(one.points)
    if one.due_date is not None:
        values["date"] = _date(one.due_date)
    return values


def _date(date: Any) -> Any:
    return fluent_date(date, dateStyle="medium")


def _slug(name: str) -> str:
    return name.lower().replace("_", "-")


def clean(text: str) -> str:
    """Return a publisher's text as it may stand in a notification: one line, nothing invisible."""
    visible = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(visible.split())[:_LONGEST]
