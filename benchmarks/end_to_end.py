"""End to end: durable, decided, sent over TLS to both providers, the outcome recorded."""

from __future__ import annotations

import time
from collections import Counter

from sqlalchemy import func, select

from benchmarks.accepting import BATCH, accepted
from benchmarks.cost import Cost
from benchmarks.databases import POSTGRESQL
from benchmarks.district import DEVICES_PER_STUDENT
from benchmarks.results import Figure, Result
from benchmarks.service import Bench, Service, service
from schoolbell_server.domain.kinds import DeliveryState
from schoolbell_storage.tables import delivery

_WARM = 200  # changes
_TARGETS = {POSTGRESQL: (3_000, 7_500)}
_SQLITE_TARGETS = (2_000, 5_000)


async def measure(bench: Bench) -> Result:
    """Publish as fast as the service answers, then wait for the last outcome."""
    async with service(bench) as on:
        await on.load("stream", name="warm", batch=BATCH, changes=_WARM)
        await on.settled()
        before, began = Cost.now(on), time.perf_counter()
        found = await on.load("stream", name="bench", batch=BATCH, seconds=bench.seconds)
        answered = time.perf_counter() - began
        await on.settled()
        took = time.perf_counter() - began
        cost = before.since(found["changes"], "a change", found["cpu"])
        ends = await _ends(on)
    changes, sent = accepted(found), round(found["changes"] * DEVICES_PER_STUDENT)
    ends.subtract({"ACCEPTED": round(_WARM * DEVICES_PER_STUDENT)})
    targets = _TARGETS.get(bench.database, _SQLITE_TARGETS)
    what = f"End to end, {DEVICES_PER_STUDENT} devices a change"
    figures = [
        Figure(what=what, value=changes / took, unit="changes/s", target=targets[0]),
        Figure(what="the same", value=sent / took, unit="sends/s", target=targets[1]),
    ]
    notes = [
        f"{changes:,} changes were answered in {answered:.1f} s and all {sent:,} outcomes written "
        f"after {took:.1f} s, {_list(ends)}. {cost}"
    ]
    return Result(figures=figures, notes=notes)


async def _ends(on: Service) -> Counter[str]:
    """Count the deliveries by their state."""
    counted = select(delivery.c.state, func.count().label("total")).group_by(delivery.c.state)
    async with on.storage.read() as connection:
        found = await connection.execute(counted)
    return Counter({DeliveryState(row.state).name: row.total for row in found})


def _list(ends: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in ends.items())
