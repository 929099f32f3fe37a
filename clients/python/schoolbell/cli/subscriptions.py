"""What a person wants to be told, and what one of their devices overrides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
from google.protobuf import json_format

from schoolbell.cli.session import Session
from schoolbell.v1 import common_pb2, subscription_pb2
from schoolbell.v1 import subscription_service_pb2 as messages

_KINDS = [name.removeprefix("KIND_").lower() for name in common_pb2.Kind.keys()[1:]]
_WITH_PERCENT = ("assignment", "grade")

Command = Callable[..., None]


def _page(command: Command) -> Command:
    """Add the options that name a page."""
    for option in (
        click.option("--device", "device_id", default="", help="One device of the person."),
        click.option("--app-type", type=click.Choice(["student", "parent"])),
        click.option("--user", "user_id", required=True),
    ):
        command = option(command)
    return command


def _named(session: Session, user_id: str, app_type: str | None, device_id: str) -> dict[str, Any]:
    if not (app_type or device_id):
        raise click.UsageError("name the app with --app-type, or a device with --device")
    chosen = common_pb2.AppType.Value(f"APP_TYPE_{app_type.upper()}") if app_type else None
    return {
        "district_id": session.need_district(),
        "user_id": user_id,
        "app_type": chosen,
        "device_id": device_id,
    }


@click.group()
def subscriptions() -> None:
    """See, save and reset the subscriptions of a person or a device."""


@subscriptions.command("get")
@_page
@click.pass_obj
def get_subscriptions(
    session: Session, *, user_id: str, app_type: str | None, device_id: str
) -> None:
    """Show the page: every student and kind, where it is chosen, and what closes it."""
    request = messages.GetSubscriptionsRequest(**_named(session, user_id, app_type, device_id))
    with session.client() as client:
        found = client.subscriptions.GetSubscriptions(request).options
    _show(session, found)


@subscriptions.command("set")
@_page
@click.option("--student", "student_id", required=True)
@click.option("--kind", "kinds", multiple=True, required=True, type=click.Choice(_KINDS))
@click.option("--on/--off", "enabled", default=True, show_default=True)
@click.option("--below", type=float, help="Only below this percentage (assignment, grade).")
@click.option("--condition", help="The subscription's condition as ProtoJSON.")
@click.pass_obj
def set_subscriptions(
    session: Session,
    *,
    user_id: str,
    app_type: str | None,
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
        for kind in dict.fromkeys(kinds)
    ]
    request = messages.UpdateSubscriptionsRequest(
        **_named(session, user_id, app_type, device_id), subscriptions=chosen
    )
    with session.client() as client:
        found = client.subscriptions.UpdateSubscriptions(request).options
    _show(session, found)


@subscriptions.command("reset")
@_page
@click.option("--student", "student_id", help="Default: all.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(_KINDS), help="Default: all.")
@click.pass_obj
def reset_subscriptions(
    session: Session,
    *,
    user_id: str,
    app_type: str | None,
    device_id: str,
    student_id: str | None,
    kinds: tuple[str, ...],
) -> None:
    """Drop choices: a device follows its user again, a person the district's default."""
    if kinds and not student_id:
        raise click.UsageError("name the student of the kinds with --student")
    keys = [
        messages.SubscriptionKey(student_id=student_id, kind=_kind(kind))
        for kind in dict.fromkeys(kinds or _KINDS)
        if student_id
    ]
    request = messages.ResetSubscriptionsRequest(
        **_named(session, user_id, app_type, device_id), keys=keys
    )
    with session.client() as client:
        found = client.subscriptions.ResetSubscriptions(request).options
    _show(session, found)


def _kind(name: str) -> common_pb2.Kind.ValueType:
    return common_pb2.Kind.Value(f"KIND_{name.upper()}")


def _subscription(
    student_id: str, kind: str, *, enabled: bool, below: float | None, condition: str | None
) -> subscription_pb2.Subscription:
    subscription = subscription_pb2.Subscription(
        student_id=student_id, kind=_kind(kind), enabled=enabled
    )
    if condition:
        try:
            json_format.Parse(condition, subscription.condition)
        except json_format.ParseError as error:
            raise click.UsageError(f"--condition: {error}") from None
    if below is not None:
        if kind not in _WITH_PERCENT:
            raise click.UsageError(f"--below is a percentage, which {kind} has not")
        getattr(subscription.condition, kind).below_percent = below
    return subscription


def _show(session: Session, found: Sequence[messages.SubscriptionOption]) -> None:
    rows = [
        (
            one.subscription.student_id,
            common_pb2.Kind.Name(one.subscription.kind).removeprefix("KIND_"),
            "on" if one.subscription.enabled else "off",
            messages.SubscriptionLevel.Name(one.inherited_from).removeprefix("SUBSCRIPTION_LEVEL_"),
            "" if one.offered else common_pb2.Gate.Name(one.closed_by).removeprefix("GATE_"),
        )
        for one in found
    ]
    session.show_rows(list(found), ("student", "kind", "wanted", "chosen by", "closed by"), rows)
