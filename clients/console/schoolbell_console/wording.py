"""What a change says, in a line that a clerk can read aloud."""

from __future__ import annotations

from google.type.money_pb2 import Money

from schoolbell.texts import cut, readable
from schoolbell.v1 import change_pb2, common_pb2
from schoolbell.v1.change_pb2 import Change
from schoolbell_console.texts import Words

_LONGEST = 120  # characters of a part
_KINDS = {
    "assignment": common_pb2.KIND_ASSIGNMENT,
    "grade": common_pb2.KIND_GRADE,
    "attendance": common_pb2.KIND_ATTENDANCE,
    "lunch_balance": common_pb2.KIND_LUNCH_BALANCE,
    "responsive_schedule": common_pb2.KIND_RESPONSIVE_SCHEDULE,
}


def kind_of(change: Change) -> common_pb2.Kind.ValueType:
    """Return the kind of a change."""
    return _KINDS.get(change.WhichOneof("payload") or "", common_pb2.KIND_UNSPECIFIED)


def line_of(change: Change, words: Words) -> str:
    """Return what a change says."""
    parts = {
        common_pb2.KIND_ASSIGNMENT: _assignment,
        common_pb2.KIND_GRADE: _grade,
        common_pb2.KIND_ATTENDANCE: _attendance,
        common_pb2.KIND_LUNCH_BALANCE: _lunch,
        common_pb2.KIND_RESPONSIVE_SCHEDULE: _schedule,
    }
    tell = parts.get(kind_of(change))
    found = tell(change, words) if tell else []
    return " · ".join(cut(readable(part), _LONGEST) for part in found if part)


def _assignment(change: Change, words: Words) -> list[str]:
    one = change.assignment
    score = _percent(one.score_percent, words) if one.HasField("score_percent") else one.mark
    if one.HasField("points") and not score:
        score = words.number(one.points)
        score += f" / {words.number(one.points_possible)}" if one.points_possible else ""
    action = words.member(change_pb2.AssignmentAction, one.action)
    return [one.title or one.assignment_id, one.course_name, action, score]


def _grade(change: Change, words: Words) -> list[str]:
    one = change.grade
    value = _percent(one.percent, words) if one.HasField("percent") else ""
    return [
        one.course_name or one.section_id,
        one.grading_task,
        one.grading_period,
        one.mark,
        value,
    ]


def _attendance(change: Change, words: Words) -> list[str]:
    one = change.attendance
    status = words.member(change_pb2.AttendanceStatus, one.status)
    excuse = words.member(change_pb2.AttendanceExcuse, one.excuse) if one.excuse else ""
    period = words("period", name=one.period) if one.period else words("whole-day")
    return [status, excuse, words.date(one.date), period, one.course_name]


def _lunch(change: Change, words: Words) -> list[str]:
    return [_money(change.lunch_balance.balance, words)]


def _schedule(change: Change, words: Words) -> list[str]:
    one = change.responsive_schedule
    action = words.member(change_pb2.ResponsiveScheduleAction, one.action)
    period = words("period", name=one.period)
    return [one.offering_name, action, words.date(one.date), period, one.location]


def _percent(value: float, words: Words) -> str:
    return f"{words.number(round(value, 2))}%"


def _money(money: Money, words: Words) -> str:
    return words.money(money.units, money.nanos, money.currency_code or "USD")
