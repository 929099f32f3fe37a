"""Unary `PublishChange`: the rate with many in flight, and the latency of an idle service."""

from __future__ import annotations

from benchmarks.bare import echo_rate
from benchmarks.cost import Cost
from benchmarks.results import Figure, Result
from benchmarks.service import Bench, service
from schoolbell_server.domain.kinds import Kind

_AT_ONCE = 256
_PAUSE = 0.02  # seconds


async def measure(bench: Bench) -> Result:
    """Publish one change a call, first one after the other, then many at once."""
    async with service(bench, held=[Kind.GRADE]) as on:
        await on.load("unary", name="warm", at_once=1, seconds=1.0)
        idle = await on.load(
            "unary", name="idle", at_once=1, seconds=bench.seconds / 2, pause=_PAUSE
        )
        before = Cost.now(on)
        busy = await on.load("unary", name="busy", at_once=_AT_ONCE, seconds=bench.seconds)
        cost = before.since(busy["changes"], "a change", busy["cpu"])
        echo = await echo_rate(on, "unary", at_once=_AT_ONCE, seconds=2.0)
    figures = [
        Figure(
            what=f"Unary `PublishChange`, {_AT_ONCE} in flight",
            value=busy["changes"] / busy["seconds"],
            unit="changes/s",
            target=1_500,
            bare=("a server that only acknowledges", echo),
        ),
        Figure(what="the same, idle, p50", value=idle["p50"] * 1e3, unit="ms", target=5),
        Figure(what="the same, idle, p99", value=idle["p99"] * 1e3, unit="ms", target=15),
    ]
    notes = [
        f"With {_AT_ONCE} in flight p50 {busy['p50'] * 1e3:,.0f} ms, "
        f"p99 {busy['p99'] * 1e3:,.0f} ms. {cost}"
    ]
    return Result(figures=figures, notes=notes)
