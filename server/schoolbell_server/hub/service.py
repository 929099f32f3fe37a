"""The composition of a hub: started in stages, drained in the reverse order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import click
import grpc

from schoolbell_server.background.stopping import Stop, cancel_all
from schoolbell_server.background.supervisor import Supervisor
from schoolbell_server.config.database_url import database_url
from schoolbell_server.domain.kinds import APP_PROVIDER
from schoolbell_server.gateways.common.circuit import CircuitState
from schoolbell_server.gateways.factory import Gateways, build_gateways
from schoolbell_server.hub.attempts import Attempts
from schoolbell_server.hub.config import HubConfig
from schoolbell_server.hub.districts import Districts
from schoolbell_server.hub.fair_queue import FairQueue
from schoolbell_server.hub.intake import Job
from schoolbell_server.hub.ledger_bound import LedgerBound
from schoolbell_server.hub.metrics import HubMetrics
from schoolbell_server.hub.worker import Workers
from schoolbell_server.observability.health import Health, add_health, set_serving
from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.loop_lag import LoopLag
from schoolbell_server.observability.metrics_endpoint import metrics_endpoint
from schoolbell_server.rpc.authentication import utc_now
from schoolbell_server.rpc.server import CannotListen
from schoolbell_server.security.sealing import HubKeys
from schoolbell_server.security.tls import ServerTls
from schoolbell_storage import hub_ledger
from schoolbell_storage.data_directory import exclusive
from schoolbell_storage.engine import Storage, open_storage, sqlite_url
from schoolbell_storage.errors import StorageError

LEDGER = "hub.db"
DISTRICTS = "districts"
"""The health service that says whether the hub hears who is enrolled."""
_DROP_INTERVAL = 60.0  # seconds
_CIRCUITS_INTERVAL = 1.0  # seconds
_HEALTH_INTERVAL = 0.5  # seconds
_LAST_ANSWERS = 10.0  # seconds

_logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """A hub that works."""

    port: int
    stop: asyncio.Event
    """Set it to drain and end the hub."""


async def serve(config: HubConfig) -> None:
    """Work until SIGTERM or SIGINT, then drain."""
    loop = asyncio.get_running_loop()
    async with running(config) as hub:
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, hub.stop.set)
        listening = replace(config.hub.listen, port=hub.port)
        click.echo(f"Schoolbell's hub listens on {listening}", err=True)
        await hub.stop.wait()
        _logger.info("draining")


@asynccontextmanager
async def running(config: HubConfig) -> AsyncIterator[Running]:
    """Run a whole hub; the end of the block drains it."""
    async with AsyncExitStack() as stack:
        storage = await open_ledger(config, stack)
        metrics = HubMetrics()
        if config.hub.metrics_listen is not None:
            stack.enter_context(metrics_endpoint(config.hub.metrics_listen, metrics.registry))
        gateways = _gateways(config, metrics, stack)
        queue: FairQueue[Job] = FairQueue()
        bound = LedgerBound(storage, metrics)
        attempts = Attempts(
            storage,
            gateways,
            HubKeys(config.hub.data_dir / "keys", _report_key),
            metrics,
            bound,
            timeout=config.hub.attempt_timeout,
            clock=utc_now,
        )
        workers = Workers(queue, attempts, metrics, count=config.hub.messages)
        server = grpc.aio.server()
        health = await add_health(server, [DISTRICTS])
        tls = None
        if not config.hub.plaintext:
            tls = ServerTls(config.hub.tls, config.hub.data_dir, _tell)
        port = _listen(config, server, tls)
        await server.start()
        stack.push_async_callback(server.stop, None)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        ending = Stop()
        supervisor = Supervisor(tasks, ending, metrics)
        async with storage.read() as connection:
            known = await hub_ledger.known_districts(connection)
        districts = Districts(config, storage, metrics, queue, supervisor, bound, known)
        work = [
            supervisor.start("workers", workers.run),
            supervisor.start("districts", districts.run),
            supervisor.start("queues", districts.watch),
            supervisor.start("ledger", partial(_drop, storage, bound)),
            supervisor.start("circuits", partial(_watch, metrics, gateways)),
            supervisor.start("health", partial(_show_health, health, districts)),
            *(() if tls is None else (supervisor.start("certificates", tls.watch),)),
        ]
        stop = asyncio.Event()
        try:
            yield Running(port, stop)
        finally:
            await health.enter_graceful_shutdown()
            await _drain(config, districts, workers)
            ending.ask()
            await cancel_all((*work, *districts.connections))


async def open_ledger(config: HubConfig, stack: AsyncExitStack) -> Storage:
    """Open the ledger and make its tables; on SQLite it is this hub's alone."""
    folder = config.hub.data_dir
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if text := config.storage.url.reveal():
        url = database_url(text)
    else:
        stack.enter_context(exclusive(folder))
        url = sqlite_url(folder / LEDGER)
    storage = open_storage(url, config.storage.pool_size, config.storage.timeout.total_seconds())
    stack.push_async_callback(storage.close)
    await hub_ledger.create(storage)
    if storage.dialect == "sqlite":
        async with storage.write() as connection:
            await hub_ledger.free_all(connection)
    return storage


async def _drain(config: HubConfig, districts: Districts, workers: Workers) -> None:
    """Take nothing more, and answer what is in work: a slow broker costs the answers no time."""
    grace = config.hub.drain_grace.total_seconds() + _LAST_ANSWERS
    try:
        async with asyncio.timeout(grace):
            await asyncio.gather(districts.stop(), workers.drain())
    except TimeoutError:
        _logger.warning("not everything in work was answered; it comes again")


def _gateways(config: HubConfig, metrics: HubMetrics, stack: AsyncExitStack) -> Gateways:
    lag = LoopLag()
    stack.enter_context(lag.measured(lambda _: None))
    gateways = build_gateways(
        config.apps,
        in_flight=config.hub.in_flight,
        deadline=config.hub.attempt_timeout,
        clock=utc_now,
        lag=lag,
        report=_report,
    )
    for (app_id, platform), gateway in gateways.items():
        stack.push_async_callback(gateway.close)
        in_flight = metrics.in_flight.labels(app_id, APP_PROVIDER[platform].name)
        in_flight.set_function(partial(getattr, gateway, "in_flight"))
    return gateways


def _report(app_id: str, setting: str, problem: str) -> None:
    """Log what is wrong with a credential file that was put in place of a good one."""
    if problem:
        about = {"app_id": app_id, "setting": setting, "warning": f"the file {problem}"}
        _logger.warning("warning", extra=about)


def _report_key(cause: str) -> None:
    _logger.warning("key cannot be read", extra={"cause": cause})


async def _show_health(health: Health, districts: Districts) -> None:
    """Say whether the hub serves, and hears who is enrolled, until cancelled."""
    while True:
        await set_serving(health, "", serving=districts.serving)
        await set_serving(health, DISTRICTS, serving=districts.connected and districts.heard)
        await asyncio.sleep(_HEALTH_INTERVAL)


def _listen(config: HubConfig, server: grpc.aio.Server, tls: ServerTls | None) -> int:
    address = str(config.hub.listen)
    try:
        if tls is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, tls.credentials())
    except RuntimeError as error:
        raise CannotListen(f"hub.listen: {address}: cannot listen there") from error


def _tell(setting: str, text: str, *_: object) -> None:
    if text:
        _logger.warning("warning", extra={"setting": setting, "warning": text})


async def _drop(storage: Storage, bound: LedgerBound) -> None:
    """Drop what the ledger need not hold any more, until cancelled."""
    while True:
        await asyncio.sleep(_DROP_INTERVAL)
        try:
            dropped = 1
            while dropped:
                async with storage.write() as connection:
                    dropped = await hub_ledger.drop_old(connection, utc_now())
            await bound.round()
        except StorageError as error:
            _logger.warning("ledger not tidied", extra={"cause": str(error)})


async def _watch(metrics: HubMetrics, gateways: Gateways) -> None:
    """Show how the circuits stand, and who asks for fewer pushes, until cancelled."""
    opened: dict[object, bool] = {}
    throttled: dict[object, bool] = {}
    while True:
        for (app_id, platform), gateway in gateways.items():
            view, provider = gateway.circuit, APP_PROVIDER[platform].name
            is_open = view.state is not CircuitState.CLOSED
            metrics.circuit_open.labels(app_id, provider).set(is_open)
            if opened.get((app_id, platform), False) != is_open:
                about = {"app_id": app_id, "provider": provider, "provider_reason": view.reason}
                _logger.warning("circuit open" if is_open else "circuit closed", extra=about)
                opened[app_id, platform] = is_open
            fewer = bool(view.throttled)
            metrics.link_throttled.labels(app_id, provider).set(fewer)
            if throttled.get((app_id, platform), False) != fewer:
                about = {"app_id": app_id, "provider": provider, "provider_reason": view.throttled}
                told = "link throttled" if fewer else "link no longer throttled"
                _logger.warning(told, extra=about)
                throttled[app_id, platform] = fewer
        await asyncio.sleep(_CIRCUITS_INTERVAL)
