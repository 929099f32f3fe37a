"""Which message tells a change, and with which values: no text here, only names."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from babel import Locale
from babel.numbers import format_currency
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
from schoolbell_server.texts.shaping import clean

Values = dict[str, str | FluentType]
UNKNOWN = "•"  # what stands for a name that the publisher left out
LONGEST_NAME = 200  # characters of a name within a text
_MOST_DECIMALS = 4  # of a percentage or of points, as the contract reads them


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
    name = _clean(student_name)
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
        **_course(one.course_name),
        "title": _clean(one.title),
        "has_title": _yes(one.title),
        "percent": _percent(one.score_percent),
        "points": _points(one.points),
        "mark": _named(one.mark),
        "date": _date(one.due_date),
    }


def _grade(one: GradeChange) -> Values:
    return {
        **_course(one.course_name),
        "grading_task": _named(one.grading_task),
        "percent": _percent(one.percent),
        "mark": _named(one.mark),
    }


def _attendance(one: AttendanceChange) -> Values:
    course, period = _clean(one.course_name), _clean(one.period)
    parts = [name for name, part in (("course", course), ("period", period)) if part]
    return {
        "course": course,
        "period": period,
        "date": _date(one.date),
        "span": "-".join(parts) or "day",
    }


def _schedule(one: ResponsiveScheduleChange) -> Values:
    offering = _clean(one.offering_name) or _clean(one.previous_offering_name)
    place = _clean(one.location)
    return {
        "offering": offering,
        "place": place,
        "naming": "unnamed" if not offering else "place" if place else "offering",
        "period": _named(one.period),
        "date": _date(one.date),
    }


def _course(name: str) -> Values:
    """Return a course's name; where there is none no id stands for it, which no family knows."""
    return {"course": _clean(name), "has_course": _yes(name)}


def _yes(text: str) -> str:
    return "yes" if _clean(text) else "no"


def _named(text: str) -> str:
    return _clean(text) or UNKNOWN


def _percent(percent: Decimal | None) -> str | FluentType:
    """Return a percentage as it was judged: rounded, it could seem to be at a limit."""
    if percent is None:
        return UNKNOWN
    return fluent_number(percent / 100, style="percent", maximumFractionDigits=_MOST_DECIMALS)


def _points(points: Decimal | None) -> str | FluentType:
    if points is None:
        return UNKNOWN
    return fluent_number(points, maximumFractionDigits=_MOST_DECIMALS)


class _Money(FluentType):
    """An amount with every decimal it has, and at least those of its currency."""

    def __init__(self, amount: Decimal, currency_code: str) -> None:
        self._amount = amount
        self._currency_code = currency_code

    def format(self, locale: Locale) -> str:
        return format_currency(
            self._amount, self._currency_code, locale=locale, decimal_quantization=False
        )


def _money(amount: Decimal, currency_code: str) -> FluentType:
    return _Money(amount, _clean(currency_code))


def _date(date: dt.date | None) -> str | FluentType:
    return UNKNOWN if date is None else fluent_date(date, dateStyle="medium")


def _slug(name: str) -> str:
    return name.lower().replace("_", "-")


def _clean(text: str) -> str:
    """Return a publisher's text as it may stand within a notification."""
    return clean(text, LONGEST_NAME)
