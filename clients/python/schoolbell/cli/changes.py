"""Publish a feed of changes, and see what was decided."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from schoolbell import feed
from schoolbell.cli import values
from schoolbell.cli.groups import add_calls
from schoolbell.cli.output import columns
from schoolbell.cli.progress import Progress
from schoolbell.cli.published import Published
from schoolbell.cli.reading import FILE, as_file, read_message
from schoolbell.cli.rpc import Rpc
from schoolbell.cli.session import Session
from schoolbell.cli.shared import Command
from schoolbell.client import AsyncClient
from schoolbell.errors import SchoolbellError
from schoolbell.keys import InvalidKeyError
from schoolbell.v1 import change_pb2, change_service_pb2
from schoolbell.v1.change_pb2 import Change

_BATCH = 500


@click.group()
def changes() -> None:
    """Publish and list changes, and look at decisions."""


@changes.command(
    "publish",
    cls=Command,
    calls=["changes.StreamPublishChanges", "changes.BatchPublishChanges"],
    examples=[
        "changes publish day.jsonl",
        "changes publish day.jsonl.gz --dry-run",
        "changes publish - < day.jsonl",
    ],
)
@click.argument("file", type=FILE)
@click.option("--source", default="feed", show_default=True, help="For lines without a key.")
@click.option("--dry-run", is_flag=True, help="Only count what would be told; publish nothing.")
@click.pass_obj
def publish(session: Session, *, file: Path, source: str, dry_run: bool) -> None:
    """Publish a JSON Lines feed, plain or gzip; run it again and nothing is doubled.

    FILE is - for stdin. Bad lines are reported by number; the exit code is 1 if there were any.
    """
    with as_file(file) as kept:
        if dry_run:
            published = _try_feed(session, kept, source)
        else:
            session.reach()
            try:
                published = asyncio.run(publish_feed(session, kept, source))
            except (SchoolbellError, InvalidKeyError) as error:
                raise session.failure(error) from None
    published.show(session)
    if published.bad:
        raise SystemExit(1)


async def publish_feed(session: Session, file: Path, source: str) -> Published:
    """Stream a feed's good lines and collect every answer."""
    published, numbers = Published(), []

    def good() -> Iterator[Change]:
        for number, change in _good(file, source, published):
            numbers.append(number)
            yield change

    with Progress(session.output, "publishing", lambda: feed.count(file)) as progress:
        async with (
            AsyncClient(session.connection) as client,
            client.publisher(session.need_district()) as publisher,
        ):
            position = 0
            async for _, ack in publisher.publish_all(good()):
                published.add(numbers[position], ack)
                position += 1
                progress.advance()
    return published


def _good(file: Path, source: str, published: Published) -> Iterator[tuple[int, Change]]:
    """Yield number and change of the good lines; the bad ones are counted."""
    for line in feed.read(file, source):
        if isinstance(line, feed.BadLine):
            published.add_bad(line.number, line.text)
        else:
            published.percents.add(line.change)
            yield line.number, line.change


def _try_feed(session: Session, file: Path, source: str) -> Published:
    """Ask what publishing would do, batch by batch."""
    published = Published()
    with (
        Progress(session.output, "checking", lambda: feed.count(file)) as progress,
        session.client() as client,
    ):
        for batch in _batches(_good(file, source, published)):
            request = change_service_pb2.BatchPublishChangesRequest(
                district_id=session.need_district(),
                changes=[change for _, change in batch],
                validate_only=True,
            )
            answer = client.changes.BatchPublishChanges(request)
            for (number, _), ack in zip(batch, answer.acks, strict=True):
                published.add(number, ack)
            published.told["recipients"] += answer.dry_run.recipient_count
            published.told["devices"] += answer.dry_run.device_count
            progress.advance(len(batch))
    return published


def _batches(lines: Iterator[tuple[int, Change]]) -> Iterator[list[tuple[int, Change]]]:
    batch: list[tuple[int, Change]] = []
    for line in lines:
        batch.append(line)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


@changes.command(
    "send",
    cls=Command,
    calls=["changes.PublishChange"],
    examples=["changes send change.json", "changes send - --dry-run < change.json"],
)
@click.argument("file", type=FILE)
@click.option("--dry-run", is_flag=True, help="Only count what would be told; publish nothing.")
@click.pass_obj
def send(session: Session, *, file: Path, dry_run: bool) -> None:
    """Publish one change, a JSON object in FILE or - for stdin, and show the whole answer."""
    request = change_service_pb2.PublishChangeRequest(
        district_id=session.need_district(),
        change=read_message(file, change_pb2.Change()),
        validate_only=dry_run,
    )
    with session.client() as client:
        session.output.message(client.changes.PublishChange(request))


def _decision(one: Any) -> str:
    """Return `told`, or the number of the gate that refused, and the reason."""
    if not one.recorded.gate:
        return "told"
    return f"{one.recorded.gate} {values.text(*values.get(one, 'recorded.reason'))}"


def _set_key(request: Any, chosen: dict[str, Any]) -> None:
    request.key.source, request.key.change_id = chosen.pop("source"), chosen.pop("change_id")


add_calls(
    changes,
    {
        "list": Rpc(
            call="changes.ListChanges",
            help="List accepted changes, newest first; --district - is every one you may read.",
            example="changes list --kind grade --since 2026-11-24T08:15",
            parts=["filter"],
            columns=columns(
                "accepted=accept_time",
                "source=change.key.source",
                "change=change.key.change_id",
                "student=change.student_id",
                ("?kind", lambda one: (one.change.WhichOneof("payload") or "").upper()),
                "?deliveries=delivery_count",
                "?occurred=change.occur_time",
                "?calendar=change.calendar_id",
                "+district=district_id",
            ),
            nothing="changes",
        ),
        "get": Rpc(
            call="changes.GetChange",
            help="Show an accepted change with what was decided.",
            example="changes get sis grade-88123",
            options={"key": ""},
            more=[click.Argument(["source"]), click.Argument(["change_id"])],
            prepare=_set_key,
        ),
        "decisions": Rpc(
            call="changes.ListDecisions",
            help="List recorded decisions, newest first: told, or the gate and why not.",
            example="changes decisions --user g5022 --limit 5",
            parts=["filter"],
            columns=columns(
                "time=recorded.decide_time",
                "?source=change_key.source",
                "change=change_key.change_id",
                "student=student_id",
                "user=user_id",
                "?kind=kind",
                ("decision", _decision),
                "?value=recorded.value",
                "?device=device_id",
                "+delivery=delivery_id",
            ),
            nothing="decisions",
        ),
    },
)
