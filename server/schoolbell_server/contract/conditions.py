"""Subscription conditions between the contract and the domain."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import IntEnum
from typing import TypeVar

from schoolbell.v1 import subscription_pb2
from schoolbell_server.contract.fields import (
    MAX_LIMIT_PERCENT,
    Complain,
    read_money,
    read_percent,
    write_money,
)
from schoolbell_server.domain.kinds import (
    AssignmentAction,
    AttendanceExcuse,
    AttendanceStatus,
    Kind,
    LimitTrigger,
)
from schoolbell_server.domain.world import (
    AssignmentCondition,
    AttendanceCondition,
    Condition,
    GradeCondition,
    LunchBalanceCondition,
)
from schoolbell_server.rpc import field_reasons as reasons

_KINDS = {
    "assignment": Kind.ASSIGNMENT,
    "grade": Kind.GRADE,
    "attendance": Kind.ATTENDANCE,
    "lunch_balance": Kind.LUNCH_BALANCE,
}
_Member = TypeVar("_Member", bound=IntEnum)
_Limited = (
    subscription_pb2.AssignmentCondition
    | subscription_pb2.GradeCondition
    | subscription_pb2.LunchBalanceCondition
)


def read_condition(
    message: subscription_pb2.Condition,
    kind: int,
    path: str,
    currency_code: str,
    complain: Complain,
) -> Condition | None:
    """Return the condition of a subscription to a kind; None is every change.

    `path` names the condition and ends with a dot; `kind` may be 0, which the caller refuses.
    """
    rule = message.WhichOneof("rule")
    if rule is None:
        return None
    if kind and Kind(kind) is not _KINDS[rule]:
        complain(path + rule, f"does not fit the kind {Kind(kind).name}", reasons.INCONSISTENT)
    inside = f"{path}{rule}."
    match rule:
        case "assignment":
            return _read_assignment(message.assignment, inside, complain)
        case "grade":
            return GradeCondition(
                below_percent=_read_percent(message.grade, inside, complain),
                limit_trigger=_read_limit_trigger(message.grade),
            )
        case "attendance":
            return _read_attendance(message.attendance, inside, complain)
        case "lunch_balance":
            return LunchBalanceCondition(
                below_balance=_read_balance(message.lunch_balance, inside, currency_code, complain),
                limit_trigger=_read_limit_trigger(message.lunch_balance),
            )


def write_condition(
    condition: Condition | None, message: subscription_pb2.Condition, currency_code: str
) -> None:
    """Set the rule of a message that a condition is; None leaves it alone."""
    match condition:
        case AssignmentCondition():
            message.assignment.actions.extend(sorted(condition.actions))  # type: ignore[arg-type]
            _write_percent(condition.below_percent, message.assignment)
            message.assignment.limit_trigger = _limit_trigger(condition.limit_trigger)
        case GradeCondition():
            message.grade.SetInParent()
            _write_percent(condition.below_percent, message.grade)
            message.grade.limit_trigger = _limit_trigger(condition.limit_trigger)
        case AttendanceCondition():
            message.attendance.SetInParent()
            message.attendance.statuses.extend(sorted(condition.statuses))  # type: ignore[arg-type]
            message.attendance.excuses.extend(sorted(condition.excuses))  # type: ignore[arg-type]
        case LunchBalanceCondition():
            message.lunch_balance.limit_trigger = _limit_trigger(condition.limit_trigger)
            if condition.below_balance is not None:
                limit = write_money(condition.below_balance, currency_code)
                message.lunch_balance.below_balance.CopyFrom(limit)


def read_members(
    numbers: Sequence[int], enum: type[_Member], path: str, complain: Complain
) -> frozenset[_Member]:
    """Return the members of a repeated enum field, each named at most once."""
    members = [member for member in enum if member in numbers]
    if 0 in numbers:
        complain(path, "must name none that is unspecified", reasons.NOT_ALLOWED)
    elif len(numbers) != len(members):
        complain(path, "must name each at most once", reasons.DUPLICATE)
    return frozenset(members)


def _read_assignment(
    message: subscription_pb2.AssignmentCondition, path: str, complain: Complain
) -> AssignmentCondition:
    return AssignmentCondition(
        actions=read_members(message.actions, AssignmentAction, f"{path}actions", complain),
        below_percent=_read_percent(message, path, complain),
        limit_trigger=_read_limit_trigger(message),
    )


def _read_attendance(
    message: subscription_pb2.AttendanceCondition, path: str, complain: Complain
) -> AttendanceCondition:
    return AttendanceCondition(
        statuses=read_members(message.statuses, AttendanceStatus, f"{path}statuses", complain),
        excuses=read_members(message.excuses, AttendanceExcuse, f"{path}excuses", complain),
    )


def _read_percent(
    message: subscription_pb2.AssignmentCondition | subscription_pb2.GradeCondition,
    path: str,
    complain: Complain,
) -> Decimal | None:
    if not message.HasField("below_percent"):
        return None
    return read_percent(message.below_percent, f"{path}below_percent", complain, MAX_LIMIT_PERCENT)


def _read_balance(
    message: subscription_pb2.LunchBalanceCondition,
    path: str,
    currency_code: str,
    complain: Complain,
) -> Decimal | None:
    if not message.HasField("below_balance"):
        return None
    money = message.below_balance
    if money.currency_code not in ("", currency_code):
        complain(
            f"{path}below_balance.currency_code", f"must be {currency_code}", reasons.WRONG_CURRENCY
        )
    return read_money(money, f"{path}below_balance", complain)


def _read_limit_trigger(message: _Limited) -> LimitTrigger:
    return LimitTrigger(message.limit_trigger or LimitTrigger.ON_CROSSING)


def _limit_trigger(limit_trigger: LimitTrigger) -> subscription_pb2.LimitTrigger.ValueType:
    return subscription_pb2.LimitTrigger.ValueType(limit_trigger)


def _write_percent(
    percent: Decimal | None,
    message: subscription_pb2.AssignmentCondition | subscription_pb2.GradeCondition,
) -> None:
    if percent is not None:
        message.below_percent = float(percent)
