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
    ReportViolation,
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
    message: change_pb2.Change, report: ReportViolation, *, prefix: str = "", keyed: bool = True
) -> Change | None:
    """Return the change, or None after reports that name every bad field.

    `keyed` is False for a hypothetical change, which needs no key.
    """
    violations = _Counting(report, prefix)
    if message.ByteSize() > MAX_CHANGE:
        violations.add(
            "", f"must be at most {MAX_CHANGE} bytes, has {message.ByteSize()}", reasons.TOO_LONG
        )
        return None
    key = ChangeKey(
        source=read_id(message.key.source, "key.source", violations.add, required=keyed),
        change_id=read_id(message.key.change_id, "key.change_id", violations.add, required=keyed),
    )
    student_id = read_id(message.student_id, "student_id", violations.add)
    payload = _payload(message, violations.add)
    lunch = message.WhichOneof("payload") == "lunch_balance"
    calendar_id = read_id(message.calendar_id, "calendar_id", violations.add, required=not lunch)
    if not message.HasField("occur_time"):
        violations.add("occur_time", "is required", reasons.REQUIRED)
    occur_time = read_time(message.occur_time, "occur_time", violations.add)
    if violations.count or payload is None or occur_time is None:
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
    """Prefix and count violations."""

    def __init__(self, report: ReportViolation, prefix: str) -> None:
        self._complain = report
        self._prefix = prefix
        self.count = 0

    def add(self, path: str, what: str, reason: FieldReason = reasons.BAD_FORMAT, /) -> None:
        self.count += 1
        joined = ".".join(part for part in (self._prefix, path) if part)
        self._complain(joined or "change", what, reason)


def _payload(message: change_pb2.Change, report: ReportViolation) -> Payload | None:
    match message.WhichOneof("payload"):
        case "assignment":
            return _assignment(message.assignment, report)
        case "grade":
            return _grade(message.grade, report)
        case "attendance":
            return _attendance(message.attendance, report)
        case "lunch_balance":
            return _lunch(message.lunch_balance, message.student_id, report)
        case "responsive_schedule":
            return _responsive(message.responsive_schedule, report)
    report("payload", f"is required: one of {', '.join(PAYLOAD_KINDS)}", reasons.REQUIRED)
    return None


def _member(enum: type[_Member], number: int, path: str, report: ReportViolation) -> _Member | None:
    try:
        return enum(number)
    except ValueError:
        if number == 0:
            report(path, "is required", reasons.REQUIRED)
            return None
        names = ", ".join(member.name for member in enum)
        report(path, f"must be one of {names}, is {number}", reasons.UNKNOWN_ENUM_NUMBER)
        return None


def _optional_percent(
    message: change_pb2.AssignmentChange | change_pb2.GradeChange,
    field: str,
    path: str,
    report: ReportViolation,
) -> Decimal | None:
    if not message.HasField(field):  # type: ignore[arg-type]
        return None
    return read_percent(getattr(message, field), f"{path}.{field}", report, MAX_SCORE_PERCENT)


def _assignment(message: change_pb2.AssignmentChange, report: ReportViolation) -> Payload | None:
    path = "assignment"
    action = _member(AssignmentAction, message.action, f"{path}.action", report)
    points = possible = due = None
    if message.HasField("points"):
        points = read_points(message.points, f"{path}.points", report, zero=True)
    if message.HasField("points_possible"):
        possible = read_points(
            message.points_possible, f"{path}.points_possible", report, zero=False
        )
    if message.HasField("due_date"):
        due = read_date(message.due_date, f"{path}.due_date", report)
    elif action is AssignmentAction.DUE_DATE_MOVED:
        report(f"{path}.due_date", "is required for DUE_DATE_MOVED", reasons.REQUIRED)
    percent = _optional_percent(message, "score_percent", path, report)
    mark = message.mark
    scored = message.HasField("score_percent") or message.HasField("points") or mark
    if action is AssignmentAction.SCORED and not scored:
        report(
            f"{path}.score_percent", "is required for SCORED, or points or mark", reasons.REQUIRED
        )
    due_before = None
    if message.HasField("previous_due_date"):
        due_before = read_date(message.previous_due_date, f"{path}.previous_due_date", report)
        if action is not None and action is not AssignmentAction.DUE_DATE_MOVED:
            report(f"{path}.previous_due_date", "is for DUE_DATE_MOVED only", reasons.NOT_ALLOWED)
    assignment_id = read_id(message.assignment_id, f"{path}.assignment_id", report)
    section_id = read_id(message.section_id, f"{path}.section_id", report)
    title = message.title
    course = message.course_name
    term = message.term_id
    previous = _optional_percent(message, "previous_score_percent", path, report)
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


def _grade(message: change_pb2.GradeChange, report: ReportViolation) -> Payload:
    path = "grade"
    return GradeChange(
        section_id=read_id(message.section_id, f"{path}.section_id", report),
        grading_task=read_id(message.grading_task, f"{path}.grading_task", report),
        grading_period=read_id(message.grading_period, f"{path}.grading_period", report),
        course_name=message.course_name,
        term_id=message.term_id or None,
        percent=_optional_percent(message, "percent", path, report),
        previous_percent=_optional_percent(message, "previous_percent", path, report),
        mark=message.mark,
    )


def _attendance(message: change_pb2.AttendanceChange, report: ReportViolation) -> Payload | None:
    path = "attendance"
    date = read_date(message.date, f"{path}.date", report)
    status = _member(AttendanceStatus, message.status, f"{path}.status", report)
    excuse = AttendanceExcuse.UNDECIDED
    if message.excuse:
        chosen = _member(AttendanceExcuse, message.excuse, f"{path}.excuse", report)
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
    message: change_pb2.LunchBalanceChange, student_id: str, report: ReportViolation
) -> Payload | None:
    path = "lunch_balance"
    _check_shared(message, student_id, report)
    account = read_id(message.account_id, f"{path}.account_id", report)
    if not message.HasField("balance"):
        report(f"{path}.balance", "is required", reasons.REQUIRED)
        return None
    balance = read_money(message.balance, f"{path}.balance", report)
    previous = None
    if message.HasField("previous_balance"):
        previous = read_money(message.previous_balance, f"{path}.previous_balance", report)
    if balance is None:
        return None
    return LunchBalanceChange(
        account_id=account,
        balance=balance,
        previous_balance=previous,
        shared_student_ids=tuple(message.shared_student_ids),
    )


def _check_shared(
    message: change_pb2.LunchBalanceChange, student_id: str, report: ReportViolation
) -> None:
    """Report students who cannot share the account."""
    path, shared = "lunch_balance.shared_student_ids", message.shared_student_ids
    if len(shared) > MAX_SHARED:
        report(path, f"must have at most {MAX_SHARED} values, has {len(shared)}", reasons.TOO_LONG)
    known = {student_id}
    for index, other in enumerate(shared[:MAX_SHARED]):
        read_id(other, f"{path}[{index}]", report)
        if other == student_id:
            report(
                f"{path}[{index}]",
                "must not repeat the student_id of the change",
                reasons.DUPLICATE,
            )
        elif other in known:
            report(f"{path}[{index}]", "must not repeat a value", reasons.DUPLICATE)
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


def _responsive(
    message: change_pb2.ResponsiveScheduleChange, report: ReportViolation
) -> Payload | None:
    path = "responsive_schedule"
    action = _member(ResponsiveScheduleAction, message.action, f"{path}.action", report)
    date = read_date(message.date, f"{path}.date", report)
    period = read_id(message.period, f"{path}.period", report)
    offering = message.offering_name
    if not offering and action is not None and action is not ResponsiveScheduleAction.REMOVED:
        report(f"{path}.offering_name", f"is required for {action.name}", reasons.REQUIRED)
    previous_date = None
    if message.HasField("previous_date"):
        previous_date = read_date(message.previous_date, f"{path}.previous_date", report)
    previous_period = message.previous_period
    previous_offering = message.previous_offering_name
    location = message.location
    if action is ResponsiveScheduleAction.MOVED and not (
        message.HasField("previous_date") or previous_period
    ):
        report(
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
