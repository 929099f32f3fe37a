"""What a device wants to be told."""

from __future__ import annotations

import click
from google.protobuf import json_format

from schoolbell.cli.session import Session
from schoolbell.v1 import common_pb2, subscription_pb2, subscription_service_pb2

_KINDS = [name.removeprefix("KIND_").lower() for name in common_pb2.Kind.keys()[1:]]


@click.group()
def subscriptions() -> None:
    """See and save a device's subscriptions."""


@subscriptions.command("get")
@click.option("--user", "user_id", required=True)
@click.option("--device", "device_id", required=True)
@click.pass_obj
def get_subscriptions(session: Session, *, user_id: str, device_id: str) -> None:
    """Show the page: every student and kind, and what closes it."""
    request = subscription_service_pb2.GetSubscriptionsRequest(
        district_id=session.need_district(), user_id=user_id, device_id=device_id
    )
    with session.client() as client:
        found = client.subscriptions.GetSubscriptions(request).options
    _show(session, list(found))


@subscriptions.command("set")
@click.option("--user", "user_id", required=True)
@click.option("--device", "device_id", required=True)
@click.option("--student", "student_id", required=True)
@click.option("--kind", "kinds", multiple=True, type=click.Choice(_KINDS), help="Default: all.")
@click.option("--on/--off", "enabled", default=True, show_default=True)
@click.option("--below", type=float, help="Only below this percentage (assignment, grade).")
@click.option("--condition", help="The subscription's condition as ProtoJSON.")
@click.pass_obj
def set_subscriptions(
    session: Session,
    *,
    user_id: str,
    device_id: str,
    student_id: str,
    kinds: tuple[str, ...],
    enabled: bool,
    below: float | None,
    condition: str | None,
) -> None:
    """Save subscriptions of one student."""
    chosen = [
        _subscription(student_id, kind, enabled=enabled, below=below, condition=condition)
        for kind in kinds or _KINDS
    ]
    request = subscription_service_pb2.UpdateSubscriptionsRequest(
        district_id=session.need_district(),
        user_id=user_id,
        device_id=device_id,
        subscriptions=chosen,
    )
    with session.client() as client:
        found = client.subscriptions.UpdateSubscriptions(request).options
    _show(session, list(found))


def _subscription(
    student_id: str, kind: str, *, enabled: bool, below: float | None, condition: str | None
) -> subscription_pb2.Subscription:
    subscription = subscription_pb2.Subscription()
    if condition:
        json_format.Parse(condition, subscription)
    subscription.student_id = student_id
    subscription.kind = common_pb2.Kind.Value(f"KIND_{kind.upper()}")
    subscription.enabled = enabled
    if below is not None and kind == "assignment":
        subscription.condition.assignment.below_percent = below
    if below is not None and kind == "grade":
        subscription.condition.grade.below_percent = below
    return subscription


def _show(session: Session, found: list[subscription_service_pb2.SubscriptionOption]) -> None:
    rows = [
        (
            one.subscription.student_id,
            common_pb2.Kind.Name(one.subscription.kind).removeprefix("KIND_"),
            "on" if one.subscription.enabled else "off",
            "" if one.offered else common_pb2.Gate.Name(one.closed_by).removeprefix("GATE_"),
        )
        for one in found
    ]
    session.show_rows(found, ("student", "kind", "wanted", "closed by"), rows)
