"""Publish a feed of changes, and see what was decided."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from schoolbell import feed
from schoolbell.cli.choosing import INSTANT, KIND, kinds, stamp
from schoolbell.cli.printing import say
from schoolbell.cli.session import Session
from schoolbell.client import AsyncClient
from schoolbell.errors import SchoolbellError, from_status
from schoolbell.v1 import change_pb2, change_service_pb2, common_pb2
from schoolbell.v1.change_pb2 import Change

_MOST_SHOWN = 50
_REFUSED = change_service_pb2.PUBLISH_RESULT_REFUSED


class Published:
    """What became of a feed: counts, and the lines that did not go through."""

    def __init__(self) -> None:
        self.results: Counter[str] = Counter()
        self.bad: list[tuple[int, str]] = []
        self.percents = feed.Percents()

    def add_bad(self, number: int, text: str) -> None:
        """Count a line that did not go through."""
        self.results["REFUSED"] += 1
        self.bad.append((number, text))

    def add(self, number: int, ack: change_service_pb2.PublishAck) -> None:
        """Count the answer to a line."""
        if ack.result == _REFUSED:
            self.add_bad(number, str(from_status(ack.error)))
        else:
            name = change_service_pb2.PublishResult.Name(ack.result)
            self.results[name.removeprefix("PUBLISH_RESULT_")] += 1


@click.group()
def changes() -> None:
    """Publish and list changes, and look at decisions."""


@changes.command("publish")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--source", default="feed", show_default=True, help="For lines without a key.")
@click.pass_obj
def publish(session: Session, *, file: Path, source: str) -> None:
    """Publish a JSON Lines feed; run it again and nothing is doubled.

    Bad lines are reported by number; the exit code is 1 if there were any.
    """
    try:
        published = asyncio.run(publish_feed(session, file, source))
    except SchoolbellError as error:
        raise session.failure(error) from None
    if published.percents.warning:
        say(f"warning: {published.percents.warning}", err=True)
    for number, text in sorted(published.bad)[:_MOST_SHOWN]:
        say(f"line {number}: {text}", err=True)
    if len(published.bad) > _MOST_SHOWN:
        say(f"and {len(published.bad) - _MOST_SHOWN} more bad lines", err=True)
    for name in ("ACCEPTED", "DUPLICATE", "REFUSED"):
        say(f"{name.lower()} {published.results[name]}")
    if published.bad:
        raise SystemExit(1)


async def publish_feed(session: Session, file: Path, source: str) -> Published:
    """Stream a feed's good lines and collect every answer."""
    published, numbers = Published(), []
    total = feed.count(file) if session.console.is_terminal else None

    def good() -> Iterator[Change]:
        for line in feed.read(file, source):
            if isinstance(line, feed.BadLine):
                published.add_bad(line.number, line.text)
            else:
                numbers.append(line.number)
                published.percents.add(line.change)
                yield line.change

    columns = (TextColumn("publishing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=session.console, disable=total is None) as progress:
        bar = progress.add_task("publishing", total=total)
        async with (
            AsyncClient(session.connection) as client,
            client.publisher(session.need_district()) as publisher,
        ):
            position = 0
            async for _, ack in publisher.publish_all(good()):
                published.add(numbers[position], ack)
                position += 1
                progress.advance(bar)
    return published


@changes.command("list")
@click.option("--source", "sources", multiple=True)
@click.option("--student", "student_ids", multiple=True)
@click.option("--kind", "names", multiple=True, type=KIND)
@click.option("--since", type=INSTANT, help="Only those accepted from then on.")
@click.option("--until", type=INSTANT, help="Only those accepted before.")
@click.option("--limit", default=50, show_default=True)
@click.pass_obj
def list_changes(
    session: Session,
    *,
    sources: tuple[str, ...],
    student_ids: tuple[str, ...],
    names: tuple[str, ...],
    since: dt.datetime | None,
    until: dt.datetime | None,
    limit: int,
) -> None:
    """List accepted changes, newest first; `--district -` is every district that you may read."""
    request = change_service_pb2.ListChangesRequest(
        district_id=session.need_district(),
        filter=change_pb2.ChangeFilter(
            sources=sources,
            student_ids=student_ids,
            kinds=kinds(names),
            start_accept_time=stamp(since),
            end_accept_time=stamp(until),
        ),
        page_size=limit,
    )
    with session.client() as client:
        found = client.changes.ListChanges(request).records
    rows = [
        (
            one.accept_time.ToDatetime(dt.UTC).astimezone().isoformat(" ", "seconds"),
            one.district_id,
            one.change.key.source,
            one.change.key.change_id,
            one.change.student_id,
            str(one.change.WhichOneof("payload")).upper(),
            one.delivery_count,
        )
        for one in found
    ]
    columns = ("accepted", "district", "source", "change", "student", "kind", "deliveries")
    session.show_rows(found, columns, rows)


@changes.command("decisions")
@click.option("--user", "user_ids", multiple=True)
@click.option("--student", "student_ids", multiple=True)
@click.option("--source")
@click.option("--change", "change_id", help="With --source: one change.")
@click.option("--limit", default=50, show_default=True)
@click.pass_obj
def decisions(
    session: Session,
    *,
    user_ids: tuple[str, ...],
    student_ids: tuple[str, ...],
    source: str | None,
    change_id: str | None,
    limit: int,
) -> None:
    """List recorded decisions, newest first."""
    request = change_service_pb2.ListDecisionsRequest(
        district_id=session.need_district(),
        filter=change_service_pb2.DecisionFilter(user_ids=user_ids, student_ids=student_ids),
        page_size=limit,
    )
    if source and change_id:
        request.filter.change_keys.add(source=source, change_id=change_id)
    with session.client() as client:
        found = client.changes.ListDecisions(request).decisions
    rows = [
        (
            one.change_key.change_id,
            one.student_id,
            one.user_id,
            one.device_id,
            _refusal(one.recorded.gate, one.recorded.reason),
        )
        for one in found
    ]
    session.show_rows(found, ("change", "student", "user", "device", "decision"), rows)


def _refusal(gate: common_pb2.Gate.ValueType, reason: common_pb2.RefusalReason.ValueType) -> str:
    if not gate:
        return "told"
    named = common_pb2.RefusalReason.Name(reason).removeprefix("REFUSAL_REASON_")
    return f"{int(gate)} {named}"
