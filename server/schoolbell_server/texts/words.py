"""Which message tells a change, and with which values: no text here, only names."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from fluent.runtime.types import FluentType, fluent_date, fluent_number

from schoolbell_server.domain.change import (
    AssignmentChange,
    AttendanceChange,
    Change,
    GradeChange,
    LunchBalanceChange,
    ResponsiveScheduleChange,
)
from schoolbell_server.domain.kinds import AssignmentAction

Values = dict[str, str | FluentType]
UNKNOWN = "•"  # what stands for a name that the publisher left out
_LONGEST = 200  # characters of a name within a text


def message_of(change: Change, *, correction: bool) -> str:
    """Return the id of the message that tells a change."""
    match change.payload:
        case AssignmentChange() as one:
            return _assignment_message(one)
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


def _assignment_message(one: AssignmentChange) -> str:
    message = f"assignment-{_slug(one.action.name)}"
    if one.action is not AssignmentAction.SCORED or one.score_percent is not None:
        return message
    return f"{message}-mark" if one.mark else f"{message}-points"


def values_of(change: Change, student_name: str, currency_code: str) -> Values:
    """Return the values that a detailed text may name; every message takes what it needs."""
    name = clean(student_name)
    student: Values = {"student": name, "known": "named" if name else "unnamed"}
    match change.payload:
        case AssignmentChange() as one:
            return student | _assignment(one)
        case GradeChange() as one:
            return student | _grade(one)
        case AttendanceChange() as one:
            return student | _attendance(one)
        case LunchBalanceChange() as one:
            return student | {"balance": _money(one.balance, currency_code)}
        case ResponsiveScheduleChange() as one:
            return student | _schedule(one)


def _assignment(one: AssignmentChange) -> Values:
    return {
        "course": _named(one.course_name, one.section_id),
        "title": _named(one.title, one.assignment_id),
        "percent": _percent(one.score_percent),
        "points": UNKNOWN if one.points is None else fluent_number(one.points),
        "mark": _named(one.mark),
        "date": _date(one.due_date),
    }


def _grade(one: GradeChange) -> Values:
    return {
        "course": _named(one.course_name, one.section_id),
        "grading_task": _named(one.grading_task),
        "percent": _percent(one.percent),
        "mark": _named(one.mark),
    }


def _attendance(one: AttendanceChange) -> Values:
    course, period = clean(one.course_name), clean(one.period)
    parts = [name for name, part in (("course", course), ("period", period)) if part]
    return {
        "course": course,
        "period": period,
        "date": _date(one.date),
        "span": "-".join(parts) or "day",
    }


def _schedule(one: ResponsiveScheduleChange) -> Values:
    offering = clean(one.offering_name) or clean(one.previous_offering_name)
    place = clean(one.location)
    return {
        "offering": offering,
        "place": place,
        "naming": "unnamed" if not offering else "place" if place else "offering",
        "period": _named(one.period),
        "date": _date(one.date),
    }


def _named(*texts: str) -> str:
    return next((found for text in texts if (found := clean(text))), UNKNOWN)


def _percent(percent: Decimal | None) -> str | FluentType:
    if percent is None:
        return UNKNOWN
    return fluent_number(percent / 100, style="percent", maximumFractionDigits=2)


def _money(amount: Decimal, currency_code: str) -> FluentType:
    return fluent_number(amount, style="currency", currency=clean(currency_code))


def _date(date: dt.date | None) -> str | FluentType:
    return UNKNOWN if date is None else fluent_date(date, dateStyle="medium")


def _slug(name: str) -> str:
    return name.lower().replace("_", "-")


def clean(text: str, longest: int | None = _LONGEST) -> str:
    """Return a publisher's text as it may stand in a notification: one line, nothing invisible."""
    visible = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(visible.split())[:longest]
