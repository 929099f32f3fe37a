"""Subscriptions between the contract and the domain."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from schoolbell.v1 import common_pb2, subscription_pb2
from schoolbell.v1 import subscription_service_pb2 as messages
from schoolbell_server.contract.conditions import read_condition, write_condition
from schoolbell_server.contract.fields import read_id
from schoolbell_server.domain.kinds import Kind, SubscriptionLevel
from schoolbell_server.domain.offers import Offer
from schoolbell_server.domain.world import Subscription
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.validation import Violations

Name = tuple[str, Kind]
"""(student_id, kind)"""


def read_subscriptions(
    asked: Iterable[subscription_pb2.Subscription], currency_code: str, violations: Violations
) -> dict[Name, Subscription]:
    """Return the choices of an update."""
    found: dict[Name, Subscription] = {}
    for index, message in enumerate(asked):
        path = f"subscriptions[{index}]."
        violations.required(message, "enabled", prefix=path)
        name = _read_name(message, path, found, violations)
        condition = read_condition(
            message.condition, message.kind, f"{path}condition.", currency_code, violations.add
        )
        if name is not None:
            found[name] = Subscription(enabled=message.enabled, condition=condition)
    return found


def read_keys(asked: Iterable[messages.SubscriptionKey], violations: Violations) -> set[Name]:
    """Return the names of the lines of a page."""
    found: set[Name] = set()
    for index, message in enumerate(asked):
        name = _read_name(message, f"keys[{index}].", found, violations)
        if name is not None:
            found.add(name)
    return found


def _read_name(
    message: subscription_pb2.Subscription | messages.SubscriptionKey,
    path: str,
    before: Collection[Name],
    violations: Violations,
) -> Name | None:
    student_id = read_id(message.student_id, path + "student_id", violations.add)
    kind = violations.member(Kind, message.kind, path + "kind")
    if kind is None:
        return None
    if (student_id, kind) in before:
        violations.add(path + "kind", "names the same student and kind twice", reasons.DUPLICATE)
    return student_id, kind


def write_option(
    offer: Offer, chosen: Subscription, level: SubscriptionLevel, currency_code: str
) -> messages.SubscriptionOption:
    """Return a line of the page."""
    message = subscription_pb2.Subscription(
        student_id=offer.student_id,
        kind=common_pb2.Kind.ValueType(offer.kind),
        enabled=chosen.enabled,
    )
    write_condition(chosen.condition, message.condition, currency_code)
    return messages.SubscriptionOption(
        subscription=message,
        inherited_from=messages.SubscriptionLevel.ValueType(level),
        offered=offer.closed_by is None,
        closed_by=common_pb2.Gate.ValueType(offer.closed_by or 0),
    )
