"""`WatchStatus`: 100 watchers, while changes are published and their deliveries written."""

from __future__ import annotations

import asyncio
import json
import time

from benchmarks.accepting import BATCH
from benchmarks.cost import Cost
from benchmarks.district import DEVICES_PER_STUDENT
from benchmarks.results import Figure, Result
from benchmarks.service import Bench, service, start_generator
from schoolbell_server.domain.kinds import Kind

_WATCHERS = 100
_CHANGES = 2_000
_UPDATES = round(_CHANGES * (1 + DEVICES_PER_STUDENT))
"""Every change and every delivery."""


async def measure(bench: Bench) -> Result:
    """Publish while everybody watches; it ends when the last has seen the last update."""
    async with service(bench, held=[Kind.GRADE]) as on:
        await on.load("stream", name="warm", batch=BATCH, changes=200)
        watching = await start_generator(on.job("watch", watchers=_WATCHERS, updates=_UPDATES))
        assert watching.stdout is not None
        await watching.stdout.readline()  # all listen
        before, began = Cost.now(on), time.time()
        published, output = await asyncio.gather(
            on.load("stream", name="bench", batch=BATCH, changes=_CHANGES),
            watching.stdout.read(),
        )
        found = json.loads(output)
        cost = before.since(found["updates"], "an update", found["cpu"])
    figure = Figure(
        what=f"`WatchStatus`, {_WATCHERS} watchers, updates in all",
        value=found["updates"] / (found["end"] - began),
        unit="updates/s",
        target=100_000,
    )
    notes = [
        f"{_CHANGES:,} changes were published meanwhile, at "
        f"{published['changes'] / published['seconds']:,.0f} changes/s; every watcher saw "
        f"{_UPDATES:,} updates. {cost}"
    ]
    return Result(figures=[figure], notes=notes)
