"""The client of each language: what its publisher and its watcher do, and what they cost.

They work against a server that acknowledges at once and tells of deliveries that are there already,
so that the client is what is measured. Each runs in its runner of the conformance suite, whose
toolchain must be here.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Awaitable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import cpu_seconds
from benchmarks.results import Figure, Result
from benchmarks.service import Bench, start_helper
from tests.conformance.languages import Language, languages
from tests.conformance.runner import Runner, running

_BASE = "python"
_WARM_UP = 100_000  # of each: a just-in-time compiler has seen it then
_CHANGES = 100_000
_DELIVERIES = 100_000
_CLIENT, _DISTRICT = "c", "district"
_CHANGE = {
    "key": {"source": "sis"},
    "studentId": "student-1",
    "calendarId": "elm:2027",
    "occurTime": "2026-11-24T13:40:02Z",
    "grade": {
        "sectionId": "algebra",
        "gradingTask": "Quarter Grade",
        "gradingPeriod": "Q1",
        "percent": 71.5,
    },
}


@dataclass(frozen=True, slots=True)
class _Speed:
    """What a client did in a second, and the CPU time of each thing, in microseconds."""

    rate: float
    cpu: float


async def measure(bench: Bench) -> Result:
    """Measure the languages one after the other; figures are held against Python's."""
    known = languages()
    here = [language for language in known.values() if not language.missing]
    for language in here:
        language.make()
    speeds: dict[str, Mapping[str, _Speed]] = {}
    async with AsyncExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="schoolbell-bench-")))
        port, _ = await start_helper(stack, "benchmarks.echo", data)
        for language in here:
            speeds[language.name] = await _speeds(language, port, data / "tls" / "ca.pem")
    missing = [one for one in known.values() if one.missing]
    notes = [f"{one.name} was not measured: it needs {one.needs}." for one in missing]
    return Result(figures=_figures(speeds), notes=notes)


def _figures(speeds: Mapping[str, Mapping[str, _Speed]]) -> list[Figure]:
    found = []
    for what, unit in (("publisher", "changes"), ("watcher", "deliveries")):
        base = speeds[_BASE][what]
        for name, of in speeds.items():
            rate = Figure(
                what=f"{what} of the {name} client",
                value=of[what].rate,
                unit=f"{unit}/s",
                bare=(f"{_BASE}'s", base.rate),
            )
            cpu = Figure(
                what=f"{what} of the {name} client, CPU",
                value=of[what].cpu,
                unit="µs each",
                bare=(f"{_BASE}'s", base.cpu),
            )
            found += [rate, cpu]
    return found


async def _speeds(language: Language, port: int, ca_file: Path) -> dict[str, _Speed]:
    async with running(language.command, language.folder) as runner:
        target = f"localhost:{port}"
        await _do(runner, "connect", client=_CLIENT, target=target, ca_file=str(ca_file))
        opened = {"client": _CLIENT, "publisher": "p", "district_id": _DISTRICT}
        await _do(runner, "publisher.open", **opened)
        await _publish(runner, _WARM_UP)
        await _watch(runner, _WARM_UP)
        return {
            "publisher": await _timed(runner, _publish(runner, _CHANGES), _CHANGES),
            "watcher": await _timed(runner, _watch(runner, _DELIVERIES), _DELIVERIES),
        }


async def _publish(runner: Runner, count: int) -> None:
    change = {**_CHANGE, "key": {"source": "sis", "changeId": f"grade-{count}"}}
    answer = await _do(runner, "publisher.repeat", publisher="p", change=change, count=count)
    if answer["accepted"] != count:
        raise RuntimeError(f"{answer['accepted']} of {count} changes were accepted")


async def _watch(runner: Runner, count: int) -> None:
    request = {"districtId": _DISTRICT}
    await _do(runner, "watcher.open", client=_CLIENT, watcher="w", request=request)
    await _do(runner, "watcher.count", watcher="w", count={"deliveries": count})
    await _do(runner, "watcher.close", watcher="w")


async def _timed(runner: Runner, work: Awaitable[None], count: int) -> _Speed:
    cpu, began = cpu_seconds(runner.pid), time.perf_counter()
    await work
    took, spent = time.perf_counter() - began, cpu_seconds(runner.pid) - cpu
    return _Speed(rate=count / took, cpu=spent / count * 1e6)


async def _do(runner: Runner, op: str, **arguments: Any) -> dict[str, Any]:
    answer = await runner.do(op, arguments)
    if "error" in answer:
        raise RuntimeError(f"{op} failed: {answer['error']}")
    found: dict[str, Any] = answer["ok"]
    return found
