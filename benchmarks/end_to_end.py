"""End to end: durable, decided, sent over TLS to both providers, the outcome recorded.

Strangers are changes of students of whom the server has read nothing lately; a school day has the
same students again and again. Each is measured cold, which is right after a start, and then warm.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select

from benchmarks.accepting import BATCH
from benchmarks.cost import Cost
from benchmarks.databases import POSTGRESQL
from benchmarks.district import WANTED
from benchmarks.results import Figure, Result
from benchmarks.service import Bench, Service, service
from schoolbell_server.domain.kinds import DeliveryState, Kind
from schoolbell_storage.tables import delivery

_TARGETS = {POSTGRESQL: (3_000, 7_500)}
_SQLITE_TARGETS = (2_000, 5_000)
_PROCESSES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes:
    """What is published."""

    of: str
    wanted: Collection[Kind] = WANTED
    job: Mapping[str, object] = field(default_factory=dict)


async def measure(bench: Bench) -> Result:
    """Publish changes of strangers as fast as the service answers."""
    return await _measured(bench, _Changes(of="strangers"))


async def measure_school_day(bench: Bench) -> Result:
    """Publish a school day as fast as the service answers."""
    today = dt.datetime.now(dt.UTC).date().isoformat()
    job = {"of": "a school day", "today": today}
    return await _measured(bench, _Changes(of="a school day", wanted=tuple(Kind), job=job))


async def measure_processes(bench: Bench) -> Result:
    """Publish changes of strangers to a server of several processes."""
    if bench.database != POSTGRESQL:
        return Result()
    changes = _Changes(of=f"strangers, {_PROCESSES} processes")
    return await _measured(bench, changes, options=("--processes", str(_PROCESSES)))


async def _measured(bench: Bench, changes: _Changes, options: Sequence[str] = ()) -> Result:
    figures, notes = [], []
    async with service(bench, wanted=changes.wanted, options=options) as on:
        for state in ("cold", "warm"):
            before = await _count(on)
            cost, began = Cost.now(on), time.perf_counter()
            found = await on.load(
                "stream", name=state, batch=BATCH, seconds=bench.seconds, **changes.job
            )
            answered = time.perf_counter() - began
            await on.settled()
            took = time.perf_counter() - began
            spent = cost.since(found["changes"], "a change", found["cpu"])
            ends = await _count(on)
            ends.subtract(before)
            targets = _TARGETS.get(bench.database, _SQLITE_TARGETS)
            what, sent = f"End to end, {changes.of}, {state}", ends.total()
            figures += [
                Figure(
                    what=what, value=found["changes"] / took, unit="changes/s", target=targets[0]
                ),
                Figure(what="the same", value=sent / took, unit="sends/s", target=targets[1]),
            ]
            notes.append(
                f"{state.capitalize()}: {found['changes']:,} changes were answered in "
                f"{answered:.1f} s and all {sent:,} outcomes written after {took:.1f} s, "
                f"{_list(ends)}. {spent}"
            )
    return Result(figures=figures, notes=notes)


async def _count(on: Service) -> Counter[str]:
    """Count the deliveries by their state."""
    counted = select(delivery.c.state, func.count().label("total")).group_by(delivery.c.state)
    async with on.storage.read() as connection:
        found = await connection.execute(counted)
    return Counter({DeliveryState(row.state).name: row.total for row in found})


def _list(ends: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in ends.items() if count)
