"""A backlog that is worked off: memory, and the rate against that from empty."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from benchmarks.copies import publish_patterns, write_backlog
from benchmarks.machine import resident
from benchmarks.plot import Plot
from benchmarks.results import Figure, Result
from benchmarks.service import Bench, Service, service

_WAITING, _LONG_WAITING = 20_000, 1_000_000
_FEW, _LONG_FEW = 5_000, 20_000  # deliveries: as good as empty
_LONGEST = 60.0  # seconds that a drain is watched
_LONG_LONGEST = 600.0
_LOOK_AGAIN = 0.25  # seconds
_MIB = 2**20

Sample = tuple[float, int, float]
"""Seconds since the server started, deliveries that arrived since, resident MiB of the server."""


async def measure(bench: Bench) -> Result:
    """Drain a few deliveries, then many."""
    waiting = _LONG_WAITING if bench.long else _WAITING
    less = _LONG_FEW if bench.long else _FEW
    longest = _LONG_LONGEST if bench.long else _LONGEST
    async with service(bench) as on:
        await publish_patterns(on)
        few = await _drain(on, less, longest)
        many = await _drain(on, waiting, longest)
    first, last = many[len(many) // 4][2], many[-1][2]
    figures = [
        Figure(
            what=f"Draining {waiting:,} deliveries",
            value=_rate(many),
            unit="sends/s",
            bare=(f"draining {less:,}", _rate(few)),
        ),
        Figure(
            what="the same, memory at the end against a quarter of the way",
            value=last / first,
            unit="",
            target=1.1,
        ),
    ]
    notes = [
        f"{many[-1][1]:,} of {waiting:,} were sent in {many[-1][0]:.0f} s; the server's resident "
        f"memory was {min(sample[2] for sample in many):,.0f} to "
        f"{max(sample[2] for sample in many):,.0f} MiB."
    ]
    plot = Plot(
        title=f"{bench.database}: resident memory of the server, draining {waiting:,} deliveries",
        across="deliveries sent",
        up="MiB",
        points=[(float(sent), memory) for _, sent, memory in many],
    )
    return Result(
        figures=figures, notes=notes, plots={f"backlog-{bench.database.lower()}": plot.svg}
    )


async def _drain(on: Service, deliveries: int, longest: float) -> Sequence[Sample]:
    """Write a backlog and watch the server work it off, for so many seconds at most."""
    before = await asyncio.to_thread(on.count_arrived)
    await write_backlog(on, deliveries)
    began, samples = time.perf_counter(), [(0.0, 0, _memory(on))]
    while samples[-1][0] < longest and samples[-1][1] < deliveries:
        await asyncio.sleep(_LOOK_AGAIN)
        arrived = await asyncio.to_thread(on.count_arrived) - before
        samples.append((time.perf_counter() - began, arrived, _memory(on)))
    return samples


def _memory(on: Service) -> float:
    return resident(on.pids["server"]) / _MIB


def _rate(samples: Sequence[Sample]) -> float:
    """Return sends/s between the first arrivals and the last, so that starting does not count."""
    moving = [sample for sample in samples if sample[1]]
    if len(moving) < 2:
        return samples[-1][1] / samples[-1][0]
    return (moving[-1][1] - moving[0][1]) / (moving[-1][0] - moving[0][0])
