"""What a hub makes of what waits on the broker, by one hub and by two, and what each process pays.

Batches of 100 deliveries wait in the queues of several districts; then the hubs start. Providers
are the bare sink. The gateways alone, which are what a server without a link has there, are
measured in the same run. Rates depend on what else the machine does, processor time does not.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import tempfile
import time
import uuid
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from aio_pika import DeliveryMode, Message

from benchmarks.databases import POSTGRESQL, SQLITE, database
from benchmarks.hubs import start_hub
from benchmarks.machine import cpu_seconds
from benchmarks.modes import modes
from benchmarks.results import Figure, Result
from benchmarks.senders import OURS
from benchmarks.sending import alone
from benchmarks.service import ARRIVALS, Bench, start_helper
from schoolbell_server.config.broker import LinkConfig
from schoolbell_server.config.secret import Secret
from schoolbell_server.config.topology import DistrictTopology, lane_key
from schoolbell_server.demo import stage
from schoolbell_server.demo.rabbitmq.broker import Broker, running_broker
from schoolbell_server.domain.kinds import Platform, ProviderEnvironment
from schoolbell_server.hub.enrollment import Enrollment
from schoolbell_server.hub.management import management
from schoolbell_server.link.broker import connect
from schoolbell_server.link.login import Login
from schoolbell_server.link.v1 import link_pb2

_DISTRICTS = 4
_MESSAGES = 25  # of each district
_EACH = 100  # deliveries of a message
_ALL = _DISTRICTS * _MESSAGES * _EACH
_PATIENCE = 300.0  # seconds
_LANE = lane_key(4)
_WHAT = """\
Link: {all:,} deliveries of {districts} districts wait on the broker, 100 a message; then hubs start
and send to the bare sink. Microseconds are processor time a delivery, of hubs once they are there;
beside them is what the gateways alone take, which a server without a link has there too. The rows
of the service are of a whole district, from the change to its outcome: by itself, through hubs."""


@dataclass(frozen=True, slots=True)
class _Run:
    """What hubs made of all that waited."""

    seconds: float
    """From the first arrival to the last."""
    hubs: float
    """Processor time of all hubs since they reached the broker, in seconds."""
    broker: float
    """The same of the broker."""


async def measure(bench: Bench) -> Result:
    """Let hubs send what waits, one on SQLite, one and two on PostgreSQL; then a whole service."""
    gateways = 1e6 / (await asyncio.to_thread(alone, "APNs", OURS)).per_core
    figures = []
    for count, ledger in ((1, SQLITE), (1, POSTGRESQL), (2, POSTGRESQL)):
        run = await _measure(count, ledger)
        name = f"{count} hub{'s' if count > 1 else ''}, ledger on {ledger}"
        bare = ("the gateways alone", gateways)
        figures += [
            Figure(what=f"Link, {name}", value=_ALL / run.seconds, unit="sends/s"),
            Figure(what="the hubs", value=run.hubs / _ALL * 1e6, unit="µs a send", bare=bare),
            Figure(what="the broker", value=run.broker / _ALL * 1e6, unit="µs a send", bare=bare),
        ]
    figures += await modes(bench)
    return Result(figures=figures, notes=[_WHAT.format(all=_ALL, districts=_DISTRICTS)])


async def _measure(count: int, ledger: str) -> _Run:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="schoolbell-bench-")))
        providers = folder / "sandbox"
        boxed = await stage.start_process(
            stack, ["sandbox", "--dir", str(providers)], folder / "sandbox.log"
        )
        written = providers / "sandbox.json"
        facts = json.loads(
            await boxed.until(lambda: written.read_text() if written.exists() else "")
        )
        ports, _ = await start_helper(stack, "benchmarks.sink", providers, folder / ARRIVALS)
        (folder / "ledger").mkdir()
        empty = await stack.enter_async_context(database(ledger, folder / "ledger"))
        broker = stack.enter_context(running_broker(folder / "rabbitmq"))
        hub = await _wait_on_broker(broker, folder)
        apps = stage.accounts(folder, facts | ports)
        before = cpu_seconds(broker.pid)
        processes = [
            (pid, cpu_seconds(pid))
            for number in range(count)
            for pid in [await start_hub(stack, broker, hub, folder, number, empty.configured, apps)]
        ]
        arrived = await _until_arrived(folder / ARRIVALS)
        return _Run(
            seconds=arrived[-1] - arrived[0],
            hubs=sum(cpu_seconds(pid) - start for pid, start in processes),
            broker=cpu_seconds(broker.pid) - before,
        )


async def _wait_on_broker(broker: Broker, folder: Path) -> Login:
    """Enroll the districts and let their messages wait; return what hubs present."""
    password = Secret(broker.password)
    async with management(
        broker.management_url, broker.administrator, password, broker.ca_file
    ) as opened:
        enrollment = Enrollment(opened)
        hub = await enrollment.set_up()
        for number in range(_DISTRICTS):
            district = DistrictTopology(f"bench-{number}")
            login = await enrollment.enroll(district)
            file = folder / f"{district.district}.password"
            file.write_text(login.line, encoding="utf-8")
            await _publish(
                LinkConfig(
                    url=f"amqps://{district.user}@localhost:{broker.ports.amqps}",
                    password_file=file,
                    ca_file=broker.ca_file,
                )
            )
    return hub


async def _publish(link: LinkConfig) -> None:
    async with await connect(link) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(link.topology.exchange, ensure=False)
        for body in _batches():
            message = Message(body, delivery_mode=DeliveryMode.PERSISTENT)
            await exchange.publish(message, _LANE, mandatory=True)


def _batches() -> Iterable[bytes]:
    """Yield what a district sends; half of it goes to either provider."""
    for _ in range(_MESSAGES):
        batch = link_pb2.Batch()
        for number in range(_EACH):
            one = batch.deliveries.add(delivery_id=str(uuid.uuid4()), attempt=1)
            one.judge_time.GetCurrentTime()
            one.expire_time.FromDatetime(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))
            one.content.app_id = "district-parent"
            one.content.platform = (Platform.IOS, Platform.ANDROID)[number % 2]
            one.content.environment = ProviderEnvironment.SANDBOX
            one.content.address = uuid.uuid4().hex * 2
            one.content.kind = 2
            one.content.title, one.content.body = "Grades", "A score was posted. " * 4
            one.content.notification_id = str(uuid.uuid4())
            one.content.collapse_key = uuid.uuid4().hex
        yield batch.SerializeToString()


async def _until_arrived(file: Path) -> list[float]:
    """Return when everything arrived, by the clock."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        lines = await asyncio.to_thread(file.read_text)
        if lines.count("\n") >= _ALL:
            return [float(line.partition(" ")[0]) for line in lines.splitlines()]
        await asyncio.sleep(0.5)
    raise TimeoutError(f"{lines.count(chr(10))} of {_ALL} deliveries arrived")
