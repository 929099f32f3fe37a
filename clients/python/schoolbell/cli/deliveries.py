"""Deliveries: list them, and stop or repeat them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

import click

from schoolbell.cli.choosing import INSTANT, KIND, kinds, members, numbers, stamp
from schoolbell.cli.session import Session
from schoolbell.v1 import delivery_pb2, status_service_pb2

_STATE, _OUTCOME, _CAUSE = "DELIVERY_STATE_", "OUTCOME_", "CANCEL_CAUSE_"
Command = Callable[..., None]


def _naming(command: Command) -> Command:
    """Add the options that say whose, what or which deliveries are meant."""
    options: list[tuple[str, str, dict[str, Any]]] = [
        ("--student", "student_ids", {}),
        ("--user", "user_ids", {}),
        ("--device", "device_ids", {}),
        ("--kind", "kinds", {"type": KIND}),
        ("--school", "school_ids", {}),
        ("--calendar", "calendar_ids", {}),
        ("--source", "sources", {"help": "The system that published the change."}),
        ("--change", "change_ids", {"help": "With one --source."}),
    ]
    for name, field, more in reversed(options):
        command = click.option(name, field, multiple=True, **more)(command)
    command = click.option("--until", type=INSTANT, help="Only those written before.")(command)
    return click.option("--since", type=INSTANT, help="Only those written from then on.")(command)


def _filter(chosen: dict[str, Any]) -> delivery_pb2.DeliveryFilter:
    """Return the filter that the options of `_naming` describe."""
    sources: Sequence[str] = chosen.pop("sources")
    change_ids: Sequence[str] = chosen.pop("change_ids")
    if change_ids and len(sources) != 1:
        raise click.UsageError("--change goes with one --source")
    since: dt.datetime | None = chosen.pop("since")
    until: dt.datetime | None = chosen.pop("until")
    found = delivery_pb2.DeliveryFilter(
        kinds=kinds(chosen.pop("kinds")),
        sources=() if change_ids else sources,
        start_create_time=stamp(since),
        end_create_time=stamp(until),
        **chosen,
    )
    for change_id in change_ids:
        found.change_keys.add(source=sources[0], change_id=change_id)
    return found


@click.group()
def deliveries() -> None:
    """List, cancel and retry deliveries."""


@deliveries.command("list")
@click.option(
    "--state", "states", multiple=True, type=members(delivery_pb2.DeliveryState.keys(), _STATE)
)
@_naming
@click.option("--app", "app_ids", multiple=True, help="The app, by its configured name.")
@click.option(
    "--outcome",
    "outcomes",
    multiple=True,
    type=members(delivery_pb2.Outcome.keys(), _OUTCOME),
    help="Of the newest attempt.",
)
@click.option(
    "--cause",
    "causes",
    multiple=True,
    type=members(delivery_pb2.CancelCause.keys(), _CAUSE),
    help="What cancelled it.",
)
@click.option("--limit", default=50, show_default=True)
@click.pass_obj
def list_deliveries(
    session: Session,
    /,
    *,
    states: tuple[str, ...],
    app_ids: tuple[str, ...],
    outcomes: tuple[str, ...],
    causes: tuple[str, ...],
    limit: int,
    **chosen: Any,
) -> None:
    """List deliveries, newest first; `--district -` is every district that you may read."""
    wanted = _filter(chosen)
    wanted.states.extend(_states(states))
    wanted.app_ids.extend(app_ids)
    wanted.outcomes.extend(numbers(delivery_pb2.Outcome.Value, _OUTCOME, outcomes))
    wanted.cancel_causes.extend(numbers(delivery_pb2.CancelCause.Value, _CAUSE, causes))
    request = status_service_pb2.ListDeliveriesRequest(
        district_id=session.need_district(), filter=wanted, page_size=limit
    )
    with session.client() as client:
        found = client.status.ListDeliveries(request).deliveries
    rows = [
        (
            one.delivery_id,
            one.change_key.change_id,
            one.user_id,
            delivery_pb2.DeliveryState.Name(one.state).removeprefix(_STATE),
            one.attempt_count,
        )
        for one in found
    ]
    session.show_rows(found, ("delivery", "change", "user", "state", "attempts"), rows)


@deliveries.command("cancel")
@_naming
@click.option("--comment", required=True, help="Why, for the record.")
@click.option("--dry-run", is_flag=True, help="Count only.")
@click.pass_obj
def cancel(session: Session, /, *, comment: str, dry_run: bool, **chosen: Any) -> None:
    """Stop what has not left, such as a mass false absence in one school."""
    request = status_service_pb2.CancelDeliveriesRequest(
        district_id=session.need_district(),
        filter=_filter(chosen),
        comment=comment,
        validate_only=dry_run,
    )
    with session.client() as client:
        click.echo(client.status.CancelDeliveries(request).delivery_count)


@deliveries.command("retry")
@_naming
@click.option("--uncertain", is_flag=True, help="Also those that a phone may have shown.")
@click.option("--dry-run", is_flag=True, help="Count only.")
@click.pass_obj
def retry(session: Session, /, *, uncertain: bool, dry_run: bool, **chosen: Any) -> None:
    """Return dead letters that are still worth telling to the queue."""
    wanted = _filter(chosen)
    wanted.states.extend(_states(["failed", "uncertain"] if uncertain else ["failed"]))
    request = status_service_pb2.RetryDeliveriesRequest(
        district_id=session.need_district(), filter=wanted, validate_only=dry_run
    )
    with session.client() as client:
        click.echo(client.status.RetryDeliveries(request).delivery_count)


def _states(names: Sequence[str]) -> list[delivery_pb2.DeliveryState.ValueType]:
    return numbers(delivery_pb2.DeliveryState.Value, _STATE, names)
