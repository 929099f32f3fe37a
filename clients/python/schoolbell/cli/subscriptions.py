"""What a person wants to be told, and what one of their devices overrides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from schoolbell.cli import values
from schoolbell.cli.choosing import KIND
from schoolbell.cli.output import columns
from schoolbell.cli.session import Session
from schoolbell.cli.shared import Command
from schoolbell.proto_json import BadJson, parse
from schoolbell.v1 import common_pb2, subscription_pb2
from schoolbell.v1 import subscription_service_pb2 as messages

_WITH_PERCENT = {common_pb2.KIND_ASSIGNMENT: "assignment", common_pb2.KIND_GRADE: "grade"}
_LINES = columns(
    "student=subscription.student_id",
    "kind=subscription.kind",
    ("wanted", lambda one: "on" if one.subscription.enabled else "off"),
    ("condition", lambda one: _condition(one.subscription)),
    "chosen by=inherited_from",
    "closed by=closed_by",
)

Run = Callable[..., None]


def _page(command: Run) -> Run:
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


@subscriptions.command(
    "get",
    cls=Command,
    calls=["subscriptions.GetSubscriptions"],
    examples=["subscriptions get --user g5001 --app-type parent"],
)
@_page
@click.pass_obj
def get_subscriptions(
    session: Session, *, user_id: str, app_type: str | None, device_id: str
) -> None:
    """Show the page: every student and kind, where it is chosen, and what closes it."""
    request = messages.GetSubscriptionsRequest(**_named(session, user_id, app_type, device_id))
    with session.client() as client:
        found = client.subscriptions.GetSubscriptions(request).options
    session.output.rows(found, _LINES, "students")


@subscriptions.command(
    "set",
    cls=Command,
    calls=["subscriptions.UpdateSubscriptions"],
    examples=[
        "subscriptions set --user g5001 --app-type parent --student s1001 --kind grade --below 70"
    ],
)
@_page
@click.option("--student", "student_id", required=True)
@click.option("--kind", "kinds", multiple=True, required=True, type=KIND)
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
    kinds: tuple[int, ...],
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
    session.output.rows(found, _LINES, "students")


@subscriptions.command(
    "reset",
    cls=Command,
    calls=["subscriptions.ResetSubscriptions"],
    examples=["subscriptions reset --user g5001 --app-type parent --student s1001 --kind grade"],
)
@_page
@click.option("--student", "student_id", help="Default: all.")
@click.option("--kind", "kinds", multiple=True, type=KIND, help="Default: all.")
@click.pass_obj
def reset_subscriptions(
    session: Session,
    *,
    user_id: str,
    app_type: str | None,
    device_id: str,
    student_id: str | None,
    kinds: tuple[int, ...],
) -> None:
    """Drop choices: a device follows its user again, a person the district's default."""
    if kinds and not student_id:
        raise click.UsageError("name the student of the kinds with --student")
    keys = [
        messages.SubscriptionKey(student_id=student_id, kind=common_pb2.Kind.ValueType(kind))
        for kind in dict.fromkeys(kinds or common_pb2.Kind.values()[1:])
        if student_id
    ]
    request = messages.ResetSubscriptionsRequest(
        **_named(session, user_id, app_type, device_id), keys=keys
    )
    with session.client() as client:
        found = client.subscriptions.ResetSubscriptions(request).options
    session.output.rows(found, _LINES, "students")


def _subscription(
    student_id: str, kind: int, *, enabled: bool, below: float | None, condition: str | None
) -> subscription_pb2.Subscription:
    subscription = subscription_pb2.Subscription(
        student_id=student_id, kind=common_pb2.Kind.ValueType(kind), enabled=enabled
    )
    if condition:
        try:
            parse(condition, subscription.condition)
        except BadJson as error:
            raise click.UsageError(f"--condition: {error}") from None
    if below is not None:
        rule = _WITH_PERCENT.get(common_pb2.Kind.ValueType(kind))
        if rule is None:
            name = values.one_text(subscription.DESCRIPTOR.fields_by_name["kind"], kind).lower()
            raise click.UsageError(f"--below is a percentage, which {name} has not")
        getattr(subscription.condition, rule).below_percent = below
    return subscription


def _condition(subscription: subscription_pb2.Subscription) -> str:
    """Return the rule of a choice, such as `below percent 70`."""
    rule = subscription.condition.WhichOneof("rule")
    return values.message_text(getattr(subscription.condition, rule)) if rule else ""
