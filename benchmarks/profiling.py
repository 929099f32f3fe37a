"""Where a change's microseconds go: samples of the server's stacks, end to end, by area."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.accepting import BATCH
from benchmarks.cost import Cost
from benchmarks.results import Result
from benchmarks.service import Bench, service

_RATE = 200  # samples a second
_WARM = 200  # changes
_LEAST = 0.005  # of the main thread's time: what is less is not listed
_FRAME = re.compile(r"(?P<name>\S+) \((?P<file>[^:()]*)(?::(?P<line>\d+))?\)")

_AREAS = {
    "schoolbell_server/domain": "deciding (domain)",
    "schoolbell_server/contract": "messages to and from facts (contract, protobuf)",
    "schoolbell/v1": "messages to and from facts (contract, protobuf)",
    "google/protobuf": "messages to and from facts (contract, protobuf)",
    "schoolbell_server/servicers": "servicers and rpc",
    "schoolbell_server/rpc": "servicers and rpc",
    "schoolbell_server/acceptance": "accepting, dispatching",
    "schoolbell_server/dispatch": "accepting, dispatching",
    "schoolbell_server/background": "accepting, dispatching",
    "schoolbell_server/gateways": "gateways (payload, headers, HTTP/2 client)",
    "pyreqwest": "gateways (payload, headers, HTTP/2 client)",
    "aioapns": "gateways (payload, headers, HTTP/2 client)",
    "schoolbell_server/texts": "texts",
    "fluent": "texts",
    "schoolbell_server/status": "status log and watchers",
    "schoolbell_server/observability": "logs and metrics",
    "prometheus_client": "logs and metrics",
    "schoolbell_server/security": "sealing and keys",
    "schoolbell_storage": "storage: values to rows and back",
    "sqlalchemy/sql": "SQLAlchemy: building and compiling",
    "sqlalchemy": "SQLAlchemy: executing and fetching",
    "aiosqlite": "driver (aiosqlite, asyncpg)",
    "asyncpg": "driver (aiosqlite, asyncpg)",
    "grpc": "gRPC",
    "asyncio": "event loop",
    "uvloop": "event loop",
}
"""By part of a path; the innermost frame that has one says whose time it is."""

Frame = tuple[str, str]
"""A function and its file."""
Stack = tuple[Sequence[Frame], int]
"""Frames, the outermost first, and how often they were seen."""


async def measure(bench: Bench) -> Result:
    """Publish and send for a while under a sampling profiler."""
    async with service(bench) as on:
        await on.load("stream", name="warm", batch=BATCH, changes=_WARM)
        await on.settled()
        file = on.folder / "profile.raw"
        before = Cost.now(on)
        profiler = await _start(on.pids["server"], file)
        found = await on.load("stream", name="bench", batch=BATCH, seconds=bench.seconds)
        await on.settled()
        spent = before.of_threads(found["changes"])
        cost = before.since(found["changes"], "a change", found["cpu"])
        profiler.send_signal(signal.SIGINT)  # it then writes what it has
        await profiler.wait()
        stacks = list(_stacks(await asyncio.to_thread(file.read_text)))
    main, samples = spent.pop("main"), sum(count for _, count in stacks)
    scale = main / samples
    areas = {name: count * scale for name, count in _areas(stacks).items()}
    areas |= {f"thread `{name}`, as the system counts it": us for name, us in spent.items()}
    notes = [
        f"End to end; {samples:,} samples of the server's main thread while it ran Python, as "
        f"shares of that thread's {main:,.0f} µs of CPU a change. {cost}",
        _table(areas, main),
    ]
    return Result(notes=notes)


async def _start(pid: int, file: Path) -> asyncio.subprocess.Process:
    program = Path(sys.executable).with_name("py-spy")
    options = {
        "--pid": str(pid),
        "--rate": str(_RATE),
        "--format": "raw",
        "--duration": "unlimited",
        "--output": str(file),
    }
    arguments = ["--gil", *(part for option in options.items() for part in option)]
    nowhere = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        program, "record", *arguments, stdout=nowhere, stderr=nowhere
    )


def _stacks(text: str) -> Iterator[Stack]:
    """Yield the stacks of the main thread, where everything but the database's calls happens."""
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [_FRAME.search(part) for part in stack.split(";")]
        named = [(frame["name"], frame["file"]) for frame in frames if frame]
        if named and not named[0][0].startswith("Thread."):
            yield named, int(count)


def _areas(stacks: Sequence[Stack]) -> Counter[str]:
    """Count samples by the area of their innermost frame that has one."""
    found: Counter[str] = Counter()
    for frames, count in stacks:
        found[next(filter(None, map(_area, reversed(frames))), "the rest")] += count
    return found


def _area(frame: Frame) -> str:
    return next((area for part, area in _AREAS.items() if f"{part}/" in frame[1]), "")


def _table(found: Mapping[str, float], main: float) -> str:
    lines = ["| area | µs a change |", "| --- | --- |"]
    lines += [
        f"| {name} | {us:,.0f} |"
        for name, us in sorted(found.items(), key=lambda pair: -pair[1])
        if us >= main * _LEAST
    ]
    return "\n".join(lines)
