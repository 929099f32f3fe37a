"""Read a `Change` message: validate every field, normalise, and name its content."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from enum import IntEnum
from functools import lru_cache
from typing import TypeVar

from schoolbell.v1 import change_pb2
from schoolbell_server.contract.fields import (
    MAX_SCORE_PERCENT,
    Complain,
    read_date,
    read_id,
    read_money,
    read_percent,
    read_points,
    read_time,
)
from schoolbell_server.domain.change import Change, ChangeKey, Payload
from schoolbell_server.domain.kinds import (
    AssignmentAction,
    AttendanceExcuse,
    AttendanceStatus,
    Kind,
    ResponsiveScheduleAction,
)
from schoolbell_server.domain.kinds.assignment import AssignmentChange
from schoolbell_server.domain.kinds.attendance import AttendanceChange
from schoolbell_server.domain.kinds.grade import GradeChange
from schoolbell_server.domain.kinds.lunch_balance import LunchBalanceChange
from schoolbell_server.domain.kinds.responsive_schedule import ResponsiveScheduleChange
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.field_reasons import FieldReason

MAX_CHANGE = 8 * 1024  # bytes
MAX_SHARED = 20
"""Students who share a lunch account beside the one of the change."""
_FINGERPRINT_VERSION = "1"
_Member = TypeVar("_Member", bound=IntEnum)

PAYLOAD_KINDS = {kind.name.lower(): kind for kind in Kind}
"""The kind that each arm of the payload is."""


def normalise(message: change_pb2.Change) -> bytes:
    """Drop unknown fields and return the bytes by which contents are compared and kept."""
    message.DiscardUnknownFields()
    return message.SerializeToString(deterministic=True)


def fingerprint(content: bytes) -> str:
    """Return the versioned fingerprint of a normalised change."""
    return f"{_FINGERPRINT_VERSION}:{hashlib.sha256(content).hexdigest()}"


@lru_cache(maxsize=2_000)
def parse_change(content: bytes) -> Change:
    """Return a change from stored, validated content.

    Every route that tells of it asks, one soon after the other.
    """

    def refuse(path: str, what: str, _reason: FieldReason = reasons.BAD_FORMAT, /) -> None:
        raise ValueError(f"stored change: {path} {what}")

    change = read_change(change_pb2.Change.FromString(content), refuse)
    assert change is not None
    return change


def read_change(
    message: change_pb2.Change, complain: Complain, *, prefix: str = "", keyed: bool = True
) -> Change | None:
    """Return the change, or None after complaints that name every bad field.

    `keyed` is False for a hypothetical change, which needs no key.
    """
    complaints = _Counting(complain, prefix)
    if message.ByteSize() > MAX_CHANGE:
        complaints.add(
            "", f"must be at most {MAX_CHANGE} bytes, has {message.ByteSize()}", reasons.TOO_LONG
        )
        return None
    key = ChangeKey(
        source=read_id(message.key.source, "key.source", complaints.add, required=keyed),
        change_id=read_id(message.key.change_id, "key.change_id", complaints.add, required=keyed),
    )
    student_id = read_id(message.student_id, "student_id", complaints.add)
    payload = _payload(message, complaints.add)
    lunch = message.WhichOneof("payload") == "lunch_balance"
    calendar_id = read_id(message.calendar_id, "calendar_id", complaints.add, required=not lunch)
    if not message.HasField("occur_time"):
        complaints.add("occur_time", "is required", reasons.REQUIRED)
    occur_time = read_time(message.occur_time, "occur_time", complaints.add)
    if complaints.count or payload is None or occur_time is None:
        return None
    return Change(
        key=key,
        student_id=student_id,
        calendar_id=calendar_id or None,
        occur_time=occur_time,
        historical=message.historical,
        payload=payload,
    )


class _Counting:
    """Prefix and count complaints."""

    def __init__(self, complain: Complain, prefix: str) -> None:
        self._complain = complain
        self._prefix = prefix
        self.count = 0

    def add(self, path: str, what: str, reason: FieldReason = reasons.BAD_FORMAT, /) -> None:
        self.count += 1
        joined = ".".join(part for part in (self._prefix, path) if part)
        self._complain(joined or "change", what, reason)


def _payload(message: change_pb2.Change, complain: Complain) -> Payload | None:
    match message.WhichOneof("payload"):
        case "assignment":
            return _assignment(message.assignment, complain)
        case "grade":
            return _grade(message.grade, complain)
        case "attendance":
            return _attendance(message.attendance, complain)
        case "lunch_balance":
            return _lunch(message.lunch_balance, message.student_id, complain)
        case "responsive_schedule":
            return _responsive(message.responsive_schedule, complain)
    complain("payload", f"is required: one of {', '.join(PAYLOAD_KINDS)}", reasons.REQUIRED)
    return None


def _member(enum: type[_Member], number: int, path: str, complain: Complain) -> _Member | None:
    try:
        return enum(number)
    except ValueError:
        if number == 0:
            complain(path, "is required", reasons.REQUIRED)
            return None
        names = ", ".join(member.name for member in enum)
        complain(path, f"must be one of {names}, is {number}", reasons.UNKNOWN_ENUM_NUMBER)
        return None


def _optional_percent(
    message: change_pb2.AssignmentChange | change_pb2.GradeChange,
    field: str,
    path: str,
    complain: Complain,
) -> Decimal | None:
    if not message.HasField(field):  # type: ignore[arg-type]
        return None
    return read_percent(getattr(message, field), f"{path}.{field}", complain, MAX_SCORE_PERCENT)


def _assignment(message: change_pb2.AssignmentChange, complain: Complain) -> Payload | None:
    path = "assignment"
    action = _member(AssignmentAction, message.action, f"{path}.action", complain)
    points = possible = due = None
    if message.HasField("points"):
        points = read_points(message.points, f"{path}.points", complain, zero=True)
    if message.HasField("points_possible"):
        possible = read_points(
            message.points_possible, f"{path}.points_possible", complain, zero=False
        )
    if message.HasField("due_date"):
        due = read_date(message.due_date, f"{path}.due_date", complain)
    elif action is AssignmentAction.DUE_DATE_MOVED:
        complain(f"{path}.due_date", "is required for DUE_DATE_MOVED", reasons.REQUIRED)
    percent = _optional_percent(message, "score_percent", path, complain)
    mark = message.mark
    scored = message.HasField("score_percent") or message.HasField("points") or mark
    if action is AssignmentAction.SCORED and not scored:
        complain(
            f"{path}.score_percent", "is required for SCORED, or points or mark", reasons.REQUIRED
        )
    due_before = None
    if message.HasField("previous_due_date"):
        due_before = read_date(message.previous_due_date, f"{path}.previous_due_date", complain)
        if action is not None and action is not AssignmentAction.DUE_DATE_MOVED:
            complain(f"{path}.previous_due_date", "is for DUE_DATE_MOVED only", reasons.NOT_ALLOWED)
    assignment_id = read_id(message.assignment_id, f"{path}.assignment_id", complain)
    section_id = read_id(message.section_id, f"{path}.section_id", complain)
    title = message.title
    course = message.course_name
    term = message.term_id
    previous = _optional_percent(message, "previous_score_percent", path, complain)
    if action is None:
        return None
    return AssignmentChange(
        action=action,
        assignment_id=assignment_id,
        section_id=section_id,
        title=title,
        course_name=course,
        term_id=term or None,
        due_date=due,
        score_percent=percent,
        previous_score_percent=previous,
        points=points,
        points_possible=possible,
        mark=mark,
        previous_due_date=due_before,
    )


def _grade(message: change_pb2.GradeChange, complain: Complain) -> Payload:
    path = "grade"
    return GradeChange(
        section_id=read_id(message.section_id, f"{path}.section_id", complain),
        grading_task=read_id(message.grading_task, f"{path}.grading_task", complain),
        grading_period=read_id(message.grading_period, f"{path}.grading_period", complain),
        course_name=message.course_name,
        term_id=message.term_id or None,
        percent=_optional_percent(message, "percent", path, complain),
        previous_percent=_optional_percent(message, "previous_percent", path, complain),
        mark=message.mark,
    )


def _attendance(message: change_pb2.AttendanceChange, complain: Complain) -> Payload | None:
    path = "attendance"
    date = read_date(message.date, f"{path}.date", complain)
    status = _member(AttendanceStatus, message.status, f"{path}.status", complain)
    excuse = AttendanceExcuse.UNDECIDED
    if message.excuse:
        chosen = _member(AttendanceExcuse, message.excuse, f"{path}.excuse", complain)
        excuse = chosen or excuse
    period = message.period
    section = message.section_id
    course = message.course_name
    comment = message.comment
    if date is None or status is None:
        return None
    return AttendanceChange(
        date=date,
        status=status,
        excuse=excuse,
        period=period,
        section_id=section,
        course_name=course,
        comment=comment,
    )


def _lunch(
    message: change_pb2.LunchBalanceChange, student_id: str, complain: Complain
) -> Payload | None:
    path = "lunch_balance"
    _check_shared(message, student_id, complain)
    account = read_id(message.account_id, f"{path}.account_id", complain)
    if not message.HasField("balance"):
        complain(f"{path}.balance", "is required", reasons.REQUIRED)
        return None
    balance = read_money(message.balance, f"{path}.balance", complain)
    previous = None
    if message.HasField("previous_balance"):
        previous = read_money(message.previous_balance, f"{path}.previous_balance", complain)
    if balance is None:
        return None
    return LunchBalanceChange(
        account_id=account,
        balance=balance,
        previous_balance=previous,
        shared_student_ids=tuple(message.shared_student_ids),
    )


def _check_shared(
    message: change_pb2.LunchBalanceChange, student_id: str, complain: Complain
) -> None:
    """Complain of students who cannot share the account."""
    path, shared = "lunch_balance.shared_student_ids", message.shared_student_ids
    if len(shared) > MAX_SHARED:
        complain(
            path, f"must have at most {MAX_SHARED} values, has {len(shared)}", reasons.TOO_LONG
        )
    known = {student_id}
    for index, other in enumerate(shared[:MAX_SHARED]):
        read_id(other, f"{path}[{index}]", complain)
        if other == student_id:
            complain(
                f"{path}[{index}]",
                "must not repeat the student_id of the change",
                reasons.DUPLICATE,
            )
        elif other in known:
            complain(f"{path}[{index}]", "must not repeat a value", reasons.DUPLICATE)
        known.add(other)


def foreign_currencies(message: change_pb2.Change, currency_code: str) -> list[str]:
    """Return the paths of the amounts in another currency than the district's.

    An amount without a currency is in the district's.
    """
    if message.WhichOneof("payload") != "lunch_balance":
        return []
    lunch = message.lunch_balance
    return [
        f"lunch_balance.{field}.currency_code"
        for field in ("balance", "previous_balance")
        if lunch.HasField(field) and getattr(lunch, field).currency_code not in ("", currency_code)
    ]


def _responsive(message: change_pb2.ResponsiveScheduleChange, complain: Complain) -> Payload | None:
    path = "responsive_schedule"
    action = _member(ResponsiveScheduleAction, message.action, f"{path}.action", complain)
    date = read_date(message.date, f"{path}.date", complain)
    period = read_id(message.period, f"{path}.period", complain)
    offering = message.offering_name
    if not offering and action is not None and action is not ResponsiveScheduleAction.REMOVED:
        complain(f"{path}.offering_name", f"is required for {action.name}", reasons.REQUIRED)
    previous_date = None
    if message.HasField("previous_date"):
        previous_date = read_date(message.previous_date, f"{path}.previous_date", complain)
    previous_period = message.previous_period
    previous_offering = message.previous_offering_name
    location = message.location
    if action is ResponsiveScheduleAction.MOVED and not (
        message.HasField("previous_date") or previous_period
    ):
        complain(
            f"{path}.previous_date", "is required for MOVED, or previous_period", reasons.REQUIRED
        )
    if action is None or date is None:
        return None
    return ResponsiveScheduleChange(
        action=action,
        date=date,
        period=period,
        offering_name=offering,
        location=location,
        previous_date=previous_date,
        previous_period=previous_period or None,
        previous_offering_name=previous_offering,
    )
