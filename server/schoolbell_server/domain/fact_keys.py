"""Which fact a change speaks of: two changes with equal keys speak of the same.

A key is a compact JSON list that begins with the kind; no id, whatever it holds, can make two
facts collide.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum

from schoolbell_server.domain import compact
from schoolbell_server.domain.change import (
    AssignmentChange,
    AttendanceChange,
    Change,
    GradeChange,
    LunchBalanceChange,
    ResponsiveScheduleChange,
)
from schoolbell_server.domain.fact import FactKey
from schoolbell_server.domain.kinds import AssignmentAction, Kind, ResponsiveScheduleAction


class Aspect(StrEnum):
    """The three things an assignment can be told of."""

    ASSIGNED = "assigned"
    SCORE = "score"
    DUE_DATE = "due"


NAME_OF: Mapping[Kind, str] = {
    Kind.ASSIGNMENT: "assignment",
    Kind.GRADE: "grade",
    Kind.ATTENDANCE: "attendance",
    Kind.LUNCH_BALANCE: "lunch",
    Kind.RESPONSIVE_SCHEDULE: "responsive",
}
"""With which word the keys of a kind's facts begin."""
_ASPECT_OF = {
    AssignmentAction.ASSIGNED: Aspect.ASSIGNED,
    AssignmentAction.WITHDRAWN: Aspect.ASSIGNED,
    AssignmentAction.SCORED: Aspect.SCORE,
    AssignmentAction.MISSING: Aspect.SCORE,
    AssignmentAction.CLEARED: Aspect.SCORE,
    AssignmentAction.DUE_DATE_MOVED: Aspect.DUE_DATE,
}


def fact_key(change: Change) -> FactKey:
    """Return the fact that a change tells of; a move's is that of its new place."""
    student = change.student_id
    match change.payload:
        case AssignmentChange() as payload:
            return _assignment(student, payload, _ASPECT_OF[payload.action])
        case GradeChange() as payload:
            return _key(
                Kind.GRADE,
                student,
                payload.section_id,
                payload.grading_task,
                payload.grading_period,
            )
        case AttendanceChange() as payload:
            day, period = payload.date.isoformat(), payload.period
            return _key(Kind.ATTENDANCE, student, change.calendar_id, day, period)
        case LunchBalanceChange() as payload:
            return _key(Kind.LUNCH_BALANCE, payload.account_id)
        case ResponsiveScheduleChange() as payload:
            return _slot(change, payload.date.isoformat(), payload.period)


def other_keys(change: Change) -> tuple[FactKey, ...]:
    """Return what else a change touches.

    That is a move's old place, a withdrawal's other aspects, and what was said of a lunch account
    for each student who shares it.
    """
    payload = change.payload
    if isinstance(payload, LunchBalanceChange):
        return tuple(balance_key(student, payload.account_id) for student in change.student_ids)
    if isinstance(payload, AssignmentChange) and payload.action is AssignmentAction.WITHDRAWN:
        aspects = (Aspect.SCORE, Aspect.DUE_DATE)
        return tuple(_assignment(change.student_id, payload, aspect) for aspect in aspects)
    if (
        isinstance(payload, ResponsiveScheduleChange)
        and payload.action is ResponsiveScheduleAction.MOVED
    ):
        date = payload.previous_date or payload.date
        period = payload.period if payload.previous_period is None else payload.previous_period
        old = _slot(change, date.isoformat(), period)
        return () if old == fact_key(change) else (old,)
    return ()


def balance_key(student_id: str, account_id: str) -> FactKey:
    """Return the fact of what was last said of a lunch account for one student.

    The account's own fact names no student: siblings share it.
    """
    return _key(Kind.LUNCH_BALANCE, student_id, account_id)


def balance_range(student_id: str) -> tuple[FactKey, FactKey]:
    """Return the range, as `key_prefixes` does, of what was said of accounts for a student."""
    return _range(Kind.LUNCH_BALANCE, student_id)


def account_key(key: FactKey) -> FactKey:
    """Return the fact of the account that a key of `balance_key` is about."""
    kind, _student, account = json.loads(key)
    return compact.encode((kind, account))


def all_keys(change: Change) -> tuple[FactKey, ...]:
    """Return every fact that a change touches, the one that it tells of first."""
    return (fact_key(change), *other_keys(change))


def key_prefixes(student_id: str) -> list[tuple[FactKey, FactKey]]:
    """Return the ranges, by bytes and without their ends, in which a student's keys lie."""
    return [_range(kind, student_id) for kind in NAME_OF]


def _range(kind: Kind, student_id: str) -> tuple[FactKey, FactKey]:
    begin = _key(kind, student_id).removesuffix("]")
    return f"{begin},", f"{begin}-"  # "-" is the byte behind ","


def _assignment(student: str, payload: AssignmentChange, aspect: Aspect) -> FactKey:
    return _key(Kind.ASSIGNMENT, student, payload.section_id, payload.assignment_id, aspect)


def _slot(change: Change, day: str, period: str) -> FactKey:
    return _key(Kind.RESPONSIVE_SCHEDULE, change.student_id, change.calendar_id, day, period)


def _key(kind: Kind, *parts: str | None) -> FactKey:
    return compact.encode((NAME_OF[kind], *parts))
