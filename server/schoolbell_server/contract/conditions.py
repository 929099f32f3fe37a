"""Subscription conditions between the contract and the domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from enum import IntEnum
from typing import Any, TypeVar

from google.type.money_pb2 import Money

from schoolbell.v1 import subscription_pb2
from schoolbell_server.contract.fields import (
    MAX_LIMIT_PERCENT,
    ReportViolation,
    read_money,
    read_percent,
    write_money,
)
from schoolbell_server.domain.condition import Condition
from schoolbell_server.domain.kinds import Kind, LimitTrigger
from schoolbell_server.domain.kinds.registry import CONDITIONS
from schoolbell_server.rpc import field_reasons as reasons

_Member = TypeVar("_Member", bound=IntEnum)


def read_condition(
    message: subscription_pb2.Condition,
    kind: int,
    path: str,
    currency_code: str,
    report: ReportViolation,
) -> Condition | None:
    """Return the condition of a subscription to a kind; None is every change.

    `path` names the condition and ends with a dot; `kind` may be 0, which the caller refuses.
    """
    rule = message.WhichOneof("rule")
    if rule is None:
        return None
    own = Kind[rule.upper()]
    if kind and Kind(kind) is not own:
        report(path + rule, f"does not fit the kind {Kind(kind).name}", reasons.INCONSISTENT)
    inside, condition = getattr(message, rule), CONDITIONS[own]
    return condition(
        **{
            one.name: _read(
                inside, one.name, condition, f"{path}{rule}.{one.name}", currency_code, report
            )
            for one in fields(condition)
        }
    )


def _read(
    message: Any,
    name: str,
    condition: type[Condition],
    path: str,
    currency_code: str,
    report: ReportViolation,
) -> object:
    """Return a field of a condition: a set of members, how often it is told, or a limit."""
    value = getattr(message, name)
    if name in condition.choices:
        return read_members(value, condition.choices[name], path, report)
    if name == "limit_trigger":
        return LimitTrigger(value or LimitTrigger.ON_CROSSING)
    if not message.HasField(name):
        return None
    if not isinstance(value, Money):
        return read_percent(value, path, report, MAX_LIMIT_PERCENT)
    if value.currency_code not in ("", currency_code):
        report(f"{path}.currency_code", f"must be {currency_code}", reasons.WRONG_CURRENCY)
    return read_money(value, path, report)


def write_condition(
    condition: Condition | None, message: subscription_pb2.Condition, currency_code: str
) -> None:
    """Set the rule of a message that a condition is; None leaves it alone."""
    if condition is None:
        return
    rule = next(kind for kind, own in CONDITIONS.items() if own is type(condition)).name.lower()
    inside = getattr(message, rule)
    inside.SetInParent()
    for one in fields(condition):
        value = getattr(condition, one.name)
        if one.name in condition.choices:
            getattr(inside, one.name).extend(sorted(value))
        elif one.name == "limit_trigger":
            inside.limit_trigger = value
        elif value is not None and isinstance(getattr(inside, one.name), Money):
            getattr(inside, one.name).CopyFrom(write_money(value, currency_code))
        elif value is not None:
            setattr(inside, one.name, float(value))


def read_members(
    numbers: Sequence[int], enum: type[_Member], path: str, report: ReportViolation
) -> frozenset[_Member]:
    """Return the members of a repeated enum field, each named at most once."""
    members = [member for member in enum if member in numbers]
    if 0 in numbers:
        report(path, "must name none that is unspecified", reasons.NOT_ALLOWED)
    elif len(numbers) != len(members):
        report(path, "must name each at most once", reasons.DUPLICATE)
    return frozenset(members)
