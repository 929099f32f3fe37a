"""Deliveries: list them, and stop or repeat them."""

from __future__ import annotations

import click

from schoolbell.cli.session import Session
from schoolbell.v1 import delivery_pb2, status_service_pb2

_STATES = [
    name.removeprefix("DELIVERY_STATE_").lower() for name in delivery_pb2.DeliveryState.keys()[1:]
]


@click.group()
def deliveries() -> None:
    """List, cancel and replay deliveries."""


@deliveries.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES))
@click.option("--user", "user_ids", multiple=True)
@click.option("--student", "student_ids", multiple=True)
@click.option("--limit", default=50, show_default=True)
@click.pass_obj
def list_deliveries(
    session: Session,
    *,
    states: tuple[str, ...],
    user_ids: tuple[str, ...],
    student_ids: tuple[str, ...],
    limit: int,
) -> None:
    """List deliveries, newest first."""
    request = status_service_pb2.ListDeliveriesRequest(
        district_id=session.need_district(),
        filter=delivery_pb2.DeliveryFilter(
            states=[_state(name) for name in states], user_ids=user_ids, student_ids=student_ids
        ),
        page_size=limit,
    )
    with session.client() as client:
        found = client.status.ListDeliveries(request).deliveries
    rows = [
        (
            one.delivery_id,
            one.change_key.change_id,
            one.user_id,
            delivery_pb2.DeliveryState.Name(one.state).removeprefix("DELIVERY_STATE_"),
            one.attempt_count,
        )
        for one in found
    ]
    session.show_rows(found, ("delivery", "change", "user", "state", "attempts"), rows)


@deliveries.command("cancel")
@click.option("--student", "student_ids", multiple=True)
@click.option("--source")
@click.option("--change", "change_ids", multiple=True, help="With --source.")
@click.option("--comment", required=True, help="Why, for the record.")
@click.option("--dry-run", is_flag=True, help="Count only.")
@click.pass_obj
def cancel(
    session: Session,
    *,
    student_ids: tuple[str, ...],
    source: str | None,
    change_ids: tuple[str, ...],
    comment: str,
    dry_run: bool,
) -> None:
    """Stop what has not left, such as the deliveries of a mass false absence."""
    chosen = delivery_pb2.DeliveryFilter(student_ids=student_ids)
    for change_id in change_ids:
        chosen.change_keys.add(source=source or "", change_id=change_id)
    request = status_service_pb2.CancelDeliveriesRequest(
        district_id=session.need_district(), filter=chosen, comment=comment, validate_only=dry_run
    )
    with session.client() as client:
        click.echo(client.status.CancelDeliveries(request).delivery_count)


@deliveries.command("retry")
@click.option("--uncertain", is_flag=True, help="Also those that a phone may have shown.")
@click.option("--dry-run", is_flag=True, help="Count only.")
@click.pass_obj
def retry(session: Session, *, uncertain: bool, dry_run: bool) -> None:
    """Return dead letters that are still worth telling to the queue."""
    states = ["failed", "uncertain"] if uncertain else ["failed"]
    request = status_service_pb2.RetryDeliveriesRequest(
        district_id=session.need_district(),
        filter=delivery_pb2.DeliveryFilter(states=[_state(name) for name in states]),
        validate_only=dry_run,
    )
    with session.client() as client:
        click.echo(client.status.RetryDeliveries(request).delivery_count)


def _state(name: str) -> delivery_pb2.DeliveryState.ValueType:
    return delivery_pb2.DeliveryState.Value(f"DELIVERY_STATE_{name.upper()}")
