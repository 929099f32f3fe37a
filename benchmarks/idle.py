"""What it costs to serve 200,000 devices and 1,000 watchers while nothing happens."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from benchmarks.cost import Cost
from benchmarks.district import DEVICES_PER_STUDENT
from benchmarks.machine import resident
from benchmarks.results import Figure, Result
from benchmarks.service import Bench, Service, service, start_generator

_DEVICES = 200_000
_WATCHERS = 1_000
_MIB = 2**20


async def measure(bench: Bench) -> Result:
    """Let the server idle alone, and then with all watchers."""
    students = round(_DEVICES / DEVICES_PER_STUDENT)
    async with service(replace(bench, students=students)) as on:
        alone, note_alone = await _idle(on, bench.seconds)
        watching = await start_generator(on.job("watch", watchers=_WATCHERS, updates=1))
        try:
            assert watching.stdout is not None
            await watching.stdout.readline()  # all listen
            watched, note_watched = await _idle(on, bench.seconds)
            memory = resident(on.pids["server"]) / _MIB
        finally:
            watching.kill()
            await watching.wait()
    what = f"Idle, {_DEVICES:,} devices"
    figures = [
        Figure(what=what, value=alone, unit="ms of CPU a second"),
        Figure(what=f"the same, {_WATCHERS:,} watchers", value=watched, unit="ms of CPU a second"),
        Figure(what="the same, resident memory", value=memory, unit="MiB"),
    ]
    return Result(
        figures=figures, notes=[f"Alone: {note_alone}", f"With all watchers: {note_watched}"]
    )


async def _idle(on: Service, seconds: float) -> tuple[float, str]:
    """Return the server's CPU a second in ms, and where it went, once it has come to rest."""
    await asyncio.sleep(seconds)
    before = Cost.now(on)
    await asyncio.sleep(3 * seconds)
    count = round(3 * seconds)
    return before.of_processes(count)["server"] / 1_000, before.since(count, "a second")
