"""Attendance, from the change to the provider: at half load, and behind a grade posting."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Coroutine
from typing import Any

from sqlalchemy import select

from benchmarks.accepting import BATCH
from benchmarks.copies import publish_patterns, write_backlog
from benchmarks.district import DEVICES_PER_STUDENT
from benchmarks.results import Figure, Result, percentile
from benchmarks.service import Bench, Service, service
from schoolbell_server.domain.kinds import Kind
from schoolbell_storage.codec import from_micros
from schoolbell_storage.tables import change, delivery

_RATE = 20  # attendance changes a second
_TARGET = 150  # ms
_WAITING, _LONG_WAITING = 10_000, 2_000_000  # changes


async def measure(bench: Bench) -> Result:
    """Publish attendance at a fixed rate beside grades, and see when the provider has it."""
    waiting = _LONG_WAITING if bench.long else _WAITING
    async with service(bench) as on:
        load = await publish_patterns(on) / 2
        grades = on.load("paced", name="half", rate=load, seconds=bench.seconds)
        half = await latencies(on, "calm", grades)
        await write_backlog(on, round(waiting * DEVICES_PER_STUDENT))
        grades = on.load("stream", name="post", batch=BATCH, seconds=bench.seconds)
        posting = await latencies(on, "behind", grades)
    calm, behind = percentile(half, 0.95), percentile(posting, 0.95)
    figures = [
        Figure(
            what=f"Attendance, change to provider, at half load ({load:,.0f} grades/s), p95",
            value=calm,
            unit="ms",
            target=_TARGET,
        ),
        Figure(
            what=f"the same while {waiting:,} grade changes wait and more are published, p95",
            value=behind,
            unit="ms",
            target=2 * calm,
        ),
    ]
    notes = [
        f"p50 {percentile(half, 0.5):,.0f} ms at half load, {percentile(posting, 0.5):,.0f} ms "
        f"behind the posting; {len(half):,} and {len(posting):,} deliveries of {_RATE} attendance "
        "changes a second."
    ]
    return Result(figures=figures, notes=notes)


async def latencies(on: Service, name: str, grades: Coroutine[Any, Any, object]) -> list[float]:
    """Publish attendance while `grades` go on; return how long each delivery took, in ms."""
    job = {"name": name, "rate": _RATE, "seconds": on.bench.seconds}
    today = dt.datetime.now(dt.UTC).date().isoformat()
    await asyncio.gather(grades, on.load("paced", today=today, **job))
    await on.settled(Kind.ATTENDANCE)
    arrivals = {delivery_id: time for time, delivery_id in await asyncio.to_thread(on.arrived)}
    async with on.storage.read() as connection:
        found = await connection.execute(
            select(delivery.c.delivery_id, change.c.occur_time)
            .join(change, delivery.c.change_id == change.c.change_id)
            .where(change.c.change_id.like(f"{name}-%"), delivery.c.source == change.c.source)
        )
    return [
        (arrivals[row.delivery_id] - from_micros(row.occur_time).timestamp()) * 1e3 for row in found
    ]
