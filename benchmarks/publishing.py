"""Publish to a whole service on SQLite: durable and decided, then sent to both sandboxes.

Run with `python -m benchmarks.publishing`. Service and sandbox are processes of their own; the
load generator is a third, so two cores are shared by all of them.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from schoolbell import AsyncClient, oneroster
from schoolbell.v1 import access_service_pb2, delivery_pb2
from schoolbell.v1.change_pb2 import Change
from schoolbell_server import sample
from schoolbell_server.demo.day import settled
from schoolbell_server.demo.district import set_up
from schoolbell_server.demo.stage import DISTRICT, stage

CHANGES = 3_000
ZONE = "America/Chicago"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one run took, in seconds, and how much it was."""

    changes: int
    answered: float
    """Until every change was durable, decided and answered."""
    deliveries: int
    settled: float
    """Until every delivery had its outcome."""


async def measure() -> Figures:
    """Publish grades of facts of their own to everybody of the sample district."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        day = sample.write(folder / "sample", dt.datetime.now(dt.UTC), ZONE)
        roster = oneroster.read(day.roster, day.relationships)
        async with stage(folder, replay=False) as on:
            await set_up(on, roster, ZONE, day.school_year)
            publisher = on.connection(access_service_pb2.ROLE_PUBLISHER)
            began = time.perf_counter()
            async with AsyncClient(publisher) as client, client.publisher(DISTRICT) as publish:
                answers = [ack async for _, ack in publish.publish_all(_changes(roster))]
            answered = time.perf_counter() - began
            async with AsyncClient(on.connection(access_service_pb2.ROLE_MONITOR)) as monitor:
                tallies = await settled(monitor)
            ended = time.perf_counter() - began
    accepted = sum(
        one.count
        for tally in tallies
        for one in tally.deliveries
        if one.state == delivery_pb2.DELIVERY_STATE_ACCEPTED
    )
    return Figures(changes=len(answers), answered=answered, deliveries=accepted, settled=ended)


def _changes(roster: oneroster.Roster) -> Iterator[Change]:
    now = dt.datetime.now(dt.UTC)
    for number in range(CHANGES):
        stay = roster.enrollments[number % len(roster.enrollments)]
        change = Change(student_id=stay.student_id, calendar_id=stay.calendar_id)
        change.key.source, change.key.change_id = "bench", str(number)
        change.occur_time.FromDatetime(now)
        change.grade.section_id, change.grade.grading_period = "algebra", "S1"
        change.grade.task, change.grade.percent = f"task {number}", 60 + number % 40
        yield change


def rows(figures: Figures) -> list[tuple[str, str]]:
    """Return the figures as rows of a table."""
    return [
        (
            "`PublishChanges`, batches of 100, durable and decided, SQLite",
            f"{figures.changes / figures.answered:,.0f} changes/s",
        ),
        (
            "the same until every delivery has its outcome, "
            f"{figures.deliveries / figures.changes:.1f} devices a change",
            f"{figures.changes / figures.settled:,.0f} changes/s, "
            f"{figures.deliveries / figures.settled:,.0f} sends/s",
        ),
    ]


def main() -> None:
    """Print the figures."""
    for name, figure in rows(asyncio.run(measure())):
        print(f"{name}: {figure}")


if __name__ == "__main__":
    main()
