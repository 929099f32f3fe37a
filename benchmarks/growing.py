"""What a change costs in a large district against a small one."""

from __future__ import annotations

import time
from dataclasses import replace

from benchmarks.accepting import BATCH, accepted
from benchmarks.cost import Cost
from benchmarks.results import Figure, Result
from benchmarks.service import Bench, service
from schoolbell_server.domain.kinds import Kind

_SMALL, _LARGE, _LARGEST = 10_000, 100_000, 1_000_000  # students
_TARGET = 1.5


async def measure(bench: Bench) -> Result:
    """Accept in both; the CPU of server and database together is what a change costs."""
    large = _LARGEST if bench.long else _LARGE
    small_cost, small = await _accept(replace(bench, students=_SMALL))
    large_cost, text = await _accept(replace(bench, students=large))
    figure = Figure(
        what=f"CPU of a change at {large:,} students against {_SMALL:,}",
        value=large_cost / small_cost,
        unit="times",
        target=_TARGET,
    )
    return Result(figures=[figure], notes=[f"At {_SMALL:,} students: {small} At {large:,}: {text}"])


async def _accept(bench: Bench) -> tuple[float, str]:
    """Return what a change costs, in microseconds, and a text about it."""
    began = time.perf_counter()
    async with service(bench, held=[Kind.GRADE]) as on:
        loaded = time.perf_counter() - began
        await on.load("stream", name="warm", batch=BATCH, changes=BATCH)
        before = Cost.now(on)
        found = await on.load("stream", name="bench", batch=BATCH, seconds=bench.seconds / 2)
        count = accepted(found)
        cost = before.of_processes(count)
        text = before.since(count, "a change", found["cpu"])
    rate = count / found["seconds"]
    return cost["server"] + cost.get("database", 0), (
        f"{rate:,.0f} changes/s. {text} District and service were ready after {loaded:,.0f} s."
    )
