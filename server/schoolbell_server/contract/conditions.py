"""Subscription conditions between the contract and the domain."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import IntEnum
from typing import TypeVar

from schoolbell.v1 import settings_service_pb2, subscription_pb2
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
    Repeat,
)
from schoolbell_server.domain.world import (
    AssignmentCondition,
    AttendanceCondition,
    Condition,
    GradeCondition,
    LunchBalanceCondition,
)

ConditionHolder = subscription_pb2.Subscription | settings_service_pb2.DefaultSubscription
"""The messages that have a kind and a condition."""

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
    message: ConditionHolder, path: str, currency_code: str, complain: Complain
) -> Condition | None:
    """Return the condition of a subscription; None is every change.

    `path` names the message and ends with a dot.
    """
    arm = message.WhichOneof("condition")
    if arm is None:
        return None
    if message.kind and Kind(message.kind) is not _KINDS[arm]:
        complain(path + arm, f"does not fit the kind {Kind(message.kind).name}")
    inside = f"{path}{arm}."
    match arm:
        case "assignment":
            return _read_assignment(message.assignment, inside, complain)
        case "grade":
            return GradeCondition(
                below_percent=_read_percent(message.grade, inside, complain),
                repeat=_read_repeat(message.grade),
            )
        case "attendance":
            return _read_attendance(message.attendance, inside, complain)
        case "lunch_balance":
            return LunchBalanceCondition(
                below_balance=_read_balance(message.lunch_balance, inside, currency_code, complain),
                repeat=_read_repeat(message.lunch_balance),
            )


def write_condition(
    condition: Condition | None, message: ConditionHolder, currency_code: str
) -> None:
    """Set the arm of a message that a condition is."""
    match condition:
        case AssignmentCondition():
            message.assignment.actions.extend(sorted(condition.actions))  # type: ignore[arg-type]
            _write_percent(condition.below_percent, message.assignment)
            message.assignment.repeat = _repeat(condition.repeat)
        case GradeCondition():
            message.grade.SetInParent()
            _write_percent(condition.below_percent, message.grade)
            message.grade.repeat = _repeat(condition.repeat)
        case AttendanceCondition():
            message.attendance.SetInParent()
            message.attendance.statuses.extend(sorted(condition.statuses))  # type: ignore[arg-type]
            message.attendance.excuses.extend(sorted(condition.excuses))  # type: ignore[arg-type]
        case LunchBalanceCondition():
            message.lunch_balance.repeat = _repeat(condition.repeat)
            if condition.below_balance is not None:
                limit = write_money(condition.below_balance, currency_code)
                message.lunch_balance.below_balance.CopyFrom(limit)


def read_members(
    numbers: Sequence[int], enum: type[_Member], path: str, complain: Complain
) -> frozenset[_Member]:
    """Return the members of a repeated enum field, each named at most once."""
    members = [member for member in enum if member in numbers]
    if 0 in numbers:
        complain(path, "must name none that is unspecified")
    elif len(numbers) != len(members):
        complain(path, "must name each at most once")
    return frozenset(members)


def _read_assignment(
    message: subscription_pb2.AssignmentCondition, path: str, complain: Complain
) -> AssignmentCondition:
    return AssignmentCondition(
        actions=read_members(message.actions, AssignmentAction, f"{path}actions", complain),
        below_percent=_read_percent(message, path, complain),
        repeat=_read_repeat(message),
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
    if money.currency_code != currency_code:
        complain(f"{path}below_balance.currency_code", f"must be {currency_code}")
    return read_money(money, f"{path}below_balance", complain)


def _read_repeat(message: _Limited) -> Repeat:
    return Repeat(message.repeat or Repeat.ON_CROSSING)


def _repeat(repeat: Repeat) -> subscription_pb2.Repeat.ValueType:
    return subscription_pb2.Repeat.ValueType(repeat)


def _write_percent(
    percent: Decimal | None,
    message: subscription_pb2.AssignmentCondition | subscription_pb2.GradeCondition,
) -> None:
    if percent is not None:
        message.below_percent = float(percent)
