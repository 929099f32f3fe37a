"""`StreamPublishChanges` in batches of 100: durable and decided, the deliveries held."""

from __future__ import annotations

from typing import Any

from benchmarks.bare import commit_rate, echo_rate
from benchmarks.cost import Cost
from benchmarks.district import DEVICES_PER_STUDENT
from benchmarks.results import Figure, Result
from benchmarks.service import Bench, service
from schoolbell_server.domain.kinds import Kind

BATCH = 100
_WARM = 200  # changes
_TARGET = 7_000  # changes/s


async def measure(bench: Bench) -> Result:
    """Publish as fast as the service answers."""
    async with service(bench, held=[Kind.GRADE]) as on:
        await on.load("stream", name="warm", batch=BATCH, changes=_WARM)
        before = Cost.now(on)
        found = await on.load("stream", name="bench", batch=BATCH, seconds=bench.seconds)
        cost = before.since(found["changes"], "a change", found["cpu"])
        bare = await commit_rate(on)
        echo = await echo_rate(on, "stream", batch=BATCH, seconds=2.0)
    rate = accepted(found) / found["seconds"]
    figure = Figure(
        what=f"`StreamPublishChanges`, batches of {BATCH}: durable and decided",
        value=rate,
        unit="changes/s",
        target=_TARGET,
        bare=("bare commits of the same rows", bare),
    )
    notes = [
        f"{DEVICES_PER_STUDENT} deliveries a change are written and held. Ack of a batch: p50 "
        f"{found['p50'] * 1e3:,.0f} ms, p99 {found['p99'] * 1e3:,.0f} ms, 16 batches in flight. "
        f"{cost} The same load generator against a server that only acknowledges: "
        f"{echo:,.0f} changes/s, {echo / rate:,.0f} times as many."
    ]
    return Result(figures=[figure], notes=notes)


def accepted(found: dict[str, Any]) -> int:
    """Return how many changes were accepted; anything else would spoil the figure."""
    results: dict[str, int] = found["results"]
    if set(results) != {"PUBLISH_RESULT_ACCEPTED"}:
        raise RuntimeError(f"not everything was accepted: {results}")
    return results["PUBLISH_RESULT_ACCEPTED"]
