"""A whole service that sends by itself, through one hub and through two: rate, cost, attendance.

All is measured in one run and told as a ratio to sending directly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.accepting import BATCH
from benchmarks.attendance import latencies
from benchmarks.cost import Cost
from benchmarks.databases import POSTGRESQL, SQLITE, database
from benchmarks.district import DEVICES_PER_STUDENT
from benchmarks.hubs import at_broker, start_hub
from benchmarks.results import Figure, percentile
from benchmarks.service import Bench, service
from schoolbell_server.config.secret import Secret
from schoolbell_server.config.topology import DistrictTopology
from schoolbell_server.demo import stage
from schoolbell_server.demo.rabbitmq.broker import running_broker
from schoolbell_server.hub.enrollment import Enrollment
from schoolbell_server.hub.management import management

TARGET = 250
"""Milliseconds at the 95th percentile, of attendance through a hub at half load."""
_WARM = 200  # changes
_DISTRICT = DistrictTopology("bench-service")
_OURS = ("server", "broker", "hub")
"""What is paid for: the providers and the database are the same in all modes."""


@dataclass(frozen=True, slots=True)
class _Mode:
    """What one way to the providers gave."""

    name: str
    sends: float
    """A second, from the first change published to the last outcome written."""
    cost: float
    """Processor time of server, hubs and broker, in microseconds a send."""
    attendance: list[float]
    """Milliseconds from a change to the provider, at half of that rate."""


async def modes(bench: Bench) -> list[Figure]:
    """Measure the three ways, and return the figures of hubs beside those of direct sending."""
    bench = replace(bench, database=SQLITE)
    direct = await _measure(bench, "direct", 0)
    figures = _figures(direct, None)
    for count, ledger in ((1, SQLITE), (2, POSTGRESQL)):
        name = f"through {count} hub{'s' if count > 1 else ''}, ledger on {ledger}"
        figures += _figures(await _measure(bench, name, count, ledger), direct)
    return figures


def _figures(mode: _Mode, direct: _Mode | None) -> list[Figure]:
    """Return the figures of a mode, each beside what direct sending has there."""

    def figure(
        what: str, unit: str, of: Callable[[_Mode], float], target: float | None = None
    ) -> Figure:
        bare = None if direct is None else ("direct", of(direct))
        return Figure(what=what, value=of(mode), unit=unit, target=target, bare=bare)

    attendance = "its attendance at half load"
    return [
        figure(f"Service, {mode.name}", "sends/s", lambda one: one.sends),
        figure("its server, hubs and broker", "µs a send", lambda one: one.cost),
        figure(f"{attendance}, p50", "ms", lambda one: percentile(one.attendance, 0.5)),
        figure(f"{attendance}, p95", "ms", lambda one: percentile(one.attendance, 0.95), TARGET),
    ]


async def _measure(bench: Bench, name: str, hubs: int, ledger: str = SQLITE) -> _Mode:
    through = partial(_start_hubs, hubs, ledger) if hubs else None
    async with service(bench, through=through) as on:
        await on.load("stream", name="warm", batch=BATCH, changes=_WARM)
        await on.settled()
        before, began = Cost.now(on), on.count_arrived()
        found = await on.load("stream", name="bench", batch=BATCH, seconds=bench.seconds)
        await on.settled()
        sent = round(found["changes"] * DEVICES_PER_STUDENT)
        spent = before.of_processes(sent)
        times = [time for time, _ in on.arrived()[began:]]
        rate = sent / (max(times) - min(times))
        load = rate / DEVICES_PER_STUDENT / 2
        grades = on.load("paced", name="half", rate=load, seconds=bench.seconds)
        return _Mode(
            name=name,
            sends=rate,
            cost=sum(us for who, us in spent.items() if who.startswith(_OURS)),
            attendance=await latencies(on, "calm", grades),
        )


async def _start_hubs(
    count: int,
    ledger: str,
    stack: AsyncExitStack,
    folder: Path,
    accounts: Sequence[str],
    pids: dict[str, int],
) -> Sequence[str]:
    """Start a broker and hubs with the accounts; return a server's lines about the link."""
    broker = stack.enter_context(running_broker(folder / "rabbitmq"))
    pids["broker"] = broker.pid
    password = Secret(broker.password)
    async with management(
        broker.management_url, broker.administrator, password, broker.ca_file
    ) as opened:
        enrollment = Enrollment(opened)
        hub, district = await enrollment.set_up(), await enrollment.enroll(_DISTRICT)
    (folder / "ledger").mkdir()
    empty = await stack.enter_async_context(database(ledger, folder / "ledger"))
    for number in range(count):
        pids[f"hub-{number}"] = await start_hub(
            stack, broker, hub, folder, number, empty.configured, accounts
        )
    lines = at_broker("link", broker, district, folder / "link.password")
    for app_id, kind in stage.APPS.items():
        lines += [f"[apps.{app_id}]", f'kind = "{kind}"', 'platforms = ["ios", "android"]']
    return lines
