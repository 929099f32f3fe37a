"""Deliveries: list them, look at one with its attempts, stop or repeat them."""

from __future__ import annotations

from typing import Any

import click

from schoolbell.cli import values
from schoolbell.cli.groups import add_calls
from schoolbell.cli.output import columns
from schoolbell.cli.rpc import Rpc
from schoolbell.v1 import delivery_pb2

_OPTIONS = {
    "filter.app_ids": "app",
    "filter.cancel_causes": "cause",
    "filter.start_update_time": "changed-since",
    "filter.end_update_time": "changed-until",
}
_ACTING = {
    **_OPTIONS,
    **dict.fromkeys(
        (
            "filter.app_ids",
            "filter.cancel_causes",
            "filter.gates",
            "filter.outcomes",
            "filter.states",
            "filter.start_update_time",
            "filter.end_update_time",
        ),
        "",
    ),
}
"""Whose and which deliveries are stopped or repeated; their states are not chosen."""
_DEAD = delivery_pb2.DELIVERY_STATE_FAILED, delivery_pb2.DELIVERY_STATE_UNCERTAIN


def why(one: delivery_pb2.Delivery) -> str:
    """Return why a delivery stands where it does: the provider's word, or what stopped it."""
    if one.HasField("cancellation"):
        stopped = one.cancellation
        field, value = values.get(stopped, "reason" if stopped.reason else "cause")
        return values.text(field, value)
    if one.hold_cause:
        return values.text(*values.get(one, "hold_cause"))
    attempt = one.last_attempt
    if attempt.provider_reason:
        return attempt.provider_reason
    bad = attempt.outcome not in (delivery_pb2.OUTCOME_ACCEPTED, delivery_pb2.OUTCOME_UNSPECIFIED)
    return values.text(*values.get(attempt, "outcome")) if bad else ""


@click.group()
def deliveries() -> None:
    """List, look at, cancel and retry deliveries."""


def _only_dead(request: Any, chosen: dict[str, Any]) -> None:
    request.filter.states.extend(_DEAD if chosen.pop("uncertain") else _DEAD[:1])


add_calls(
    deliveries,
    {
        "list": Rpc(
            call="status.ListDeliveries",
            help="List deliveries, newest first; --district - is every district you may read.",
            example="deliveries list --state failed --since 2026-11-24T08:15",
            parts=["filter"],
            options=_OPTIONS,
            columns=columns(
                "delivery=delivery_id",
                "time=create_time",
                "?student=student_id",
                "user=user_id",
                "?kind=kind",
                "state=state",
                ("?why", why),
                "?source=change_key.source",
                "?change=change_key.change_id",
                "?provider=provider",
                "?attempts=attempt_count",
                "+device=device_id",
                "+app=app_id",
                "+calendar=calendar_id",
                "+district=district_id",
                "+updated=update_time",
            ),
            nothing="deliveries",
        ),
        "get": Rpc(
            call="status.GetDelivery",
            help="Show a delivery with all its attempts.",
            example="deliveries get 01a2239c-eedc-7134-b4a3-8743cdf7a39c",
            arguments=["delivery_id"],
        ),
        "cancel": Rpc(
            call="status.CancelDeliveries",
            help="Stop what has not left, such as a mass false absence in one school.",
            example='deliveries cancel --school maple-high --kind attendance --comment "twice"',
            parts=["filter"],
            options=_ACTING,
        ),
        "retry": Rpc(
            call="status.RetryDeliveries",
            help="Return dead letters that are still worth telling to the queue.",
            example="deliveries retry --since 2026-11-24T08:15 --dry-run",
            parts=["filter"],
            options=_ACTING,
            more=[
                click.Option(
                    ["--uncertain"], is_flag=True, help="Also those that a phone may have shown."
                )
            ],
            prepare=_only_dead,
        ),
    },
)
