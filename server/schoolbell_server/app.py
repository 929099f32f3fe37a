"""The composition root: a whole server, started in stages and drained in the reverse order."""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from prometheus_client import CollectorRegistry
from sqlalchemy.engine import URL

from schoolbell.v1 import status_pb2
from schoolbell.v1.access_service_pb2 import ServerLimits
from schoolbell_server.address import Address
from schoolbell_server.background.periodic import Periodic
from schoolbell_server.background.stopping import Stop, cancel_all
from schoolbell_server.background.supervisor import Supervisor
from schoolbell_server.backup import DATABASE
from schoolbell_server.config import Config, warnings
from schoolbell_server.config.database_url import database_url
from schoolbell_server.domain.kinds import APP_PROVIDER
from schoolbell_server.domain.principal import OPERATOR_KEY
from schoolbell_server.gateways.common.transport import knows_unsent
from schoolbell_server.gateways.factory import Gateways, build_gateways
from schoolbell_server.identity import issuers
from schoolbell_server.identity.issuers import Issuers
from schoolbell_server.maintenance import last_seen
from schoolbell_server.maintenance.audit_sealer import AuditSealer
from schoolbell_server.maintenance.file_watch import look_at_files
from schoolbell_server.maintenance.last_seen import LastSeen
from schoolbell_server.maintenance.log_emptying import run_log_emptying
from schoolbell_server.observability.health import Health, add_health, set_serving
from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.loop_lag import LoopLag
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.observability.metrics_endpoint import (
    CannotServeMetrics,
    MetricsTls,
    metrics_endpoint,
)
from schoolbell_server.observability.reflection import add_reflection
from schoolbell_server.pipeline import Pipeline
from schoolbell_server.processes.child import Child
from schoolbell_server.processes.parent import Parent, held
from schoolbell_server.rpc.authentication import Authenticator, utc_now
from schoolbell_server.rpc.middleware import Middleware
from schoolbell_server.rpc.server import MiddlewareServer
from schoolbell_server.rpc.validation import MAX_PAGE
from schoolbell_server.security.api_key import EVERY_DISTRICT, Role
from schoolbell_server.security.fingerprint import TokenFingerprints
from schoolbell_server.security.key_gate import KeyGate, Proofs
from schoolbell_server.security.key_store import StoredKeys, row_of
from schoolbell_server.security.operator_key import (
    ensure_operator_key,
    operator_key_file,
    renew_operator_key,
)
from schoolbell_server.security.pseudonyms import Pseudonyms
from schoolbell_server.security.sealer import Sealer
from schoolbell_server.security.secret_file import SecretExposed, read_secret
from schoolbell_server.security.tls import ServerTls
from schoolbell_server.servicers.change.servicer import MOST_CHANGES, WINDOW
from schoolbell_server.servicers.common.unattended import Unattended
from schoolbell_server.servicers.device.receipts import Receipts
from schoolbell_server.servicers.roster.import_finisher import ImportFinisher
from schoolbell_server.services import Parts, add_services
from schoolbell_server.status.backlog import Backlog
from schoolbell_server.status.links import Links
from schoolbell_server.status.monitor import Monitor
from schoolbell_server.status.notices import Notices
from schoolbell_server.status.rates import Rates
from schoolbell_server.status.storage_health import StorageHealth
from schoolbell_server.status.tail import Tail
from schoolbell_server.texts import Texts
from schoolbell_storage.audit import Actor, append_audit
from schoolbell_storage.data_directory import exclusive, taking_turns
from schoolbell_storage.engine import Storage, open_storage, sqlite_url
from schoolbell_storage.errors import StorageUnavailable
from schoolbell_storage.keys import insert_key
from schoolbell_storage.migrate import migrate as migrate_storage
from schoolbell_storage.status_log import rename_store

if TYPE_CHECKING:
    from schoolbell_server.link.linked import Linked

_HEALTH_INTERVAL = 0.5  # seconds
_FILES_INTERVAL = 60.0  # seconds
_SHORTEST_KEY = 16  # characters, of the key of metrics
_LAST_WRITES = 10.0  # seconds
_logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that serves."""

    port: int
    stop: asyncio.Event
    """Set it to drain and end the server."""


async def serve(config: Config, *, replay: bool, child: Child | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then drain; as one of several until their parent ends too."""
    if child is not None:
        config = child.configured(config)
    metrics = child.metrics if child else None
    async with running(config, replay=replay, metrics_socket=metrics) as server:
        _stop_at_signals(server.stop.set)
        if child is None:
            _tell_listening(config, server.port)
            await server.stop.wait()
        else:
            child.tell_listening()
            orphaned = asyncio.create_task(child.orphaned())
            orphaned.add_done_callback(lambda _: server.stop.set())
            await server.stop.wait()
            await cancel_all([orphaned])
        _logger.info("draining")


async def serve_processes(config: Config, count: int, options: Sequence[str]) -> None:
    """Serve by so many processes on one port, until SIGTERM or SIGINT.

    `options` are those of `serve` that each gets too. NeverServed where one cannot start.
    """
    with ExitStack() as stack:
        address = stack.enter_context(held(config.server.listen))
        parent = Parent(count, address, options)
        _stop_at_signals(parent.stop)
        config.server.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with taking_turns(config.server.data_dir):
            tls = _tls(config, Notices(utc_now))
        stack.enter_context(_metrics(config, tls, parent.metrics.registry))
        await parent.run(partial(_tell_listening, config, address.port))


def _stop_at_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)


def _tell_listening(config: Config, port: int) -> None:
    click.echo(f"Schoolbell listens on {replace(config.server.listen, port=port)}", err=True)


async def migrate(config: Config) -> None:
    """Bring the database to this version's schema and end."""
    async with AsyncExitStack() as stack:
        await _open_storage(config, stack)


async def restored(config: Config) -> None:
    """Give a database that was restored from a backup a new identity and end."""
    async with AsyncExitStack() as stack:
        storage = await _open_storage(config, stack)
        async with storage.write() as connection:
            await rename_store(connection)


async def operator_key(config: Config) -> Path:
    """Make another key for the operator, and return the file that holds its credential."""
    data_dir = config.server.data_dir
    async with AsyncExitStack() as stack:
        storage = await _open_storage(config, stack)
        with taking_turns(data_dir):
            key = renew_operator_key(data_dir)
            row = row_of(key, utc_now(), OPERATOR_KEY.id, "")
            async with storage.write() as connection:
                await insert_key(connection, row)
                await append_audit(
                    connection,
                    district_id=EVERY_DISTRICT,
                    now=row.create_time,
                    actor=Actor(OPERATOR_KEY),
                    action=f"schoolbell-server {OPERATOR_KEY.id}",
                    changes=[(f"keys/{row.key_id}", {}, {"role": Role.OPERATOR.name})],
                )
        return operator_key_file(data_dir)


@asynccontextmanager
async def running(
    config: Config,
    *,
    replay: bool,
    clock: Callable[[], dt.datetime] = utc_now,
    metrics_socket: socket.socket | None = None,
) -> AsyncIterator[Running]:
    """Run a whole server; the end of the block drains it. `clock` is for tests that move time."""
    async with AsyncExitStack() as stack:
        storage = await _open_storage(config, stack)
        metrics = Metrics()
        storage.on_fault = metrics.count_storage_fault
        with taking_turns(config.server.data_dir):
            notices = Notices(clock)
            parts = await _parts(
                config, storage, metrics, notices, replay=replay, clock=clock, stack=stack
            )
            tls = _tls(config, notices)
            look_at_files(config, utc_now(), notices.report)
        stack.enter_context(_metrics(config, tls, metrics.registry, metrics_socket))
        middleware = Middleware(
            Authenticator(
                parts.keys,
                gate=parts.keys.gate,
                on_used=parts.seen.key,
                tokens=parts.issuers.tokens,
                refused=metrics.tokens_refused,
                now=clock,
            ),
            metrics,
            limits=config.limits,
            page_key=parts.fingerprints.derive("page tokens"),
        )
        if config.server.role.sends:
            await _check_transport(notices)
        server = MiddlewareServer(middleware, share_port=config.server.share_port)
        names = add_services(server, parts) if config.server.role.answers else []
        health = await add_health(server, names)
        if config.server.reflection:
            add_reflection(server, names)
        await parts.pipeline.start()
        await parts.tail.start()
        port = _listen(config, server, tls)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        background = Stop()
        supervisor = Supervisor(tasks, background, metrics)
        work = _start(config, parts, supervisor, background)
        if config.server.role.answers:
            await parts.finisher.resume()
        if tls is not None:
            work.append(supervisor.start("certificates", tls.watch))
        await server.start()
        supervisor.start("files", lambda: _watch_files(config, notices, background))
        supervisor.start(
            "health", lambda: _show_health(health, ("", *names), parts.monitor.health, background)
        )
        stop = asyncio.Event()
        try:
            yield Running(port, stop)
        finally:
            await health.enter_graceful_shutdown()
            middleware.drain()
            grace = config.server.drain_grace.total_seconds()
            await server.stop(grace)
            background.ask()
            # Storage that does not answer must not keep the server from ending.
            async with asyncio.timeout(2 * grace + _LAST_WRITES):
                await _drain(parts, grace)
            await cancel_all(work)


def _start(
    config: Config, parts: Parts, supervisor: Supervisor, stop: Stop
) -> list[asyncio.Task[None]]:
    """Start what works beside the calls; return what has to be cancelled, once drained."""
    role, work = config.server.role, parts.pipeline.run(supervisor, stop)
    monitor = parts.monitor
    for link in monitor.links.probed:
        work.append(supervisor.start("probe", partial(monitor.links.run_probes, link)))
    supervisor.start("erasures", lambda: run_log_emptying(parts.storage, stop))
    supervisor.start("backlog", lambda: monitor.backlog.run(stop))
    for periodic in (*monitor.periodic(), parts.audit_sealer.periodic()):
        supervisor.start(periodic.task, partial(periodic.run, stop))
    if role.answers:
        supervisor.start("status log", lambda: parts.tail.run(stop))
        noting = Periodic(
            task="last use",
            work=parts.seen.write,
            interval=last_seen.INTERVAL,
            failure="last use not noted",
            at_end=True,
        )
        looking = Periodic(
            task="keys of issuers",
            work=parts.issuers.look,
            interval=issuers.INTERVAL,
            failure="keys of issuers not looked for",
            at_once=True,
        )
        for one in (noting, looking):
            supervisor.start(one.task, partial(one.run, stop))
    return work


async def _drain(parts: Parts, grace: float) -> None:
    """Finish what calls have left behind, then what is being sent."""
    await parts.unattended.drain(grace)
    await parts.receipts.drain(grace)
    await parts.finisher.drain()
    await parts.pipeline.drain()


async def _show_health(
    health: Health, names: Sequence[str], storage: StorageHealth, stop: Stop
) -> None:
    """Say of every service whether it can be called: as long as storage answers."""
    going = True
    while going:
        await set_serving(health, *names, serving=storage.sound)
        going = await stop.pause(_HEALTH_INTERVAL)


async def _check_transport(notices: Notices) -> None:
    """Tell where it is not known any more which pushes were never sent."""
    text = (
        "delivery: a push that was never sent is not told from one that may have been; such "
        "pushes end as ANSWER_LOST. Install the pinned packages."
    )
    code = status_pb2.WARNING_CODE_TRANSPORT_UNPROVEN
    notices.report("delivery", "" if await knows_unsent() else text, code=code)


async def _watch_files(config: Config, notices: Notices, stop: Stop) -> None:
    """Look now and then who else may read what the server depends on, and when it ends."""
    while await stop.pause(_FILES_INTERVAL):
        await asyncio.to_thread(look_at_files, config, utc_now(), notices.report)


async def _open_storage(config: Config, stack: AsyncExitStack) -> Storage:
    """Open the database and bring it to this version's schema."""
    config.server.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    if text := config.storage.url.reveal():
        url = database_url(text)
    else:
        stack.enter_context(exclusive(config.server.data_dir))
        url = sqlite_url(config.server.data_dir / DATABASE)
    storage = open_storage(
        url,
        config.storage.pool_size,
        config.storage.timeout.total_seconds(),
    )
    stack.push_async_callback(storage.close)
    try:
        await migrate_storage(storage)
    except StorageUnavailable as error:
        raise StorageUnavailable(f"{_described(config, url)}: {error}") from error
    return storage


def _described(config: Config, url: URL) -> str:
    """Say which database cannot be reached, and what sets it; never its password."""
    if url.get_backend_name() == "sqlite":
        return f"server.data_dir: the database {url.database} cannot be opened"
    setting = "storage.url" if config.storage.url_file is None else "storage.url_file"
    host = url.host or url.query.get("host") or "localhost"
    where = f"{host}:{url.port or 5432}" if isinstance(host, str) else "any of its hosts"
    return f"{setting}: PostgreSQL at {where}, database {url.database}, cannot be reached"


async def _parts(
    config: Config,
    storage: Storage,
    metrics: Metrics,
    notices: Notices,
    *,
    replay: bool,
    clock: Callable[[], dt.datetime],
    stack: AsyncExitStack,
) -> Parts:
    folder = config.server.data_dir / "keys"
    sealer = Sealer.load(folder)
    fingerprints = TokenFingerprints.load(folder)
    gate = KeyGate(
        Proofs(fingerprints.derive("API keys")), config.limits.unknown_keys, metrics.keys_unknown
    )
    keys = StoredKeys(storage, gate=gate)
    operator, path = ensure_operator_key(config.server.data_dir)
    if fault := await keys.ensure(operator, clock()):
        _logger.warning("operator's key is dead", extra={"path": str(path), "cause": fault})
        click.echo(
            f"Warning: the key in {path} {fault}; `schoolbell-server operator-key` makes another",
            err=True,
        )
    else:
        _logger.info("operator's key", extra={"path": str(path)})
    await keys.start()
    trusted = Issuers(config.identity, keys, notices.report)
    stack.push_async_callback(trusted.close)
    lag = LoopLag()
    stack.enter_context(lag.measured(metrics.loop_lag.observe))
    linked = _linked(config, metrics)
    gateways: Gateways = (
        linked.gateways
        if linked is not None
        else build_gateways(
            config.apps,
            in_flight=config.delivery.in_flight,
            deadline=config.delivery.attempt_timeout,
            clock=clock,
            apns_proxy=config.outbound.apns_proxy.reveal(),
            fcm_proxy=config.outbound.fcm_proxy.reveal(),
            lag=lag,
            report=notices.report_file,
        )
    )
    for (app_id, platform), gateway in gateways.items():
        stack.push_async_callback(gateway.close)
        in_flight = metrics.in_flight.labels(app_id, APP_PROVIDER[platform].name)
        in_flight.set_function(partial(getattr, gateway, "in_flight"))
    monitor = Monitor(
        storage,
        links=Links(
            gateways,
            metrics,
            probe_interval=config.delivery.probe_interval,
            clock=clock,
            hub=None if linked is None else linked.link,
        ),
        backlog=Backlog(storage, metrics, most=config.limits.backlog, clock=clock),
        health=StorageHealth(storage, metrics, clock),
        rates=Rates(),
        warnings=warnings(config, replay=replay),
        notices=notices,
        clock=clock,
    )
    tail = Tail(storage, config.delivery.watch_interval.total_seconds())
    texts = Texts()
    metrics.watchers.set_function(lambda: tail.watchers)
    apps = {app_id: app.kind for app_id, app in config.apps.items()}
    pipeline = Pipeline(
        storage,
        config,
        gateways,
        apps=apps,
        sealer=sealer,
        texts=texts,
        metrics=metrics,
        monitor=monitor,
        tail=tail,
        clock=clock,
        replay=replay,
        hub=linked,
    )
    seen = LastSeen(storage, clock)
    return Parts(
        storage=storage,
        apps=apps,
        sealer=sealer,
        fingerprints=fingerprints,
        keys=keys,
        seen=seen,
        receipts=Receipts(storage, clock, seen.device),
        gateways=gateways,
        texts=texts,
        monitor=monitor,
        tail=tail,
        pipeline=pipeline,
        finisher=ImportFinisher(storage, clock),
        unattended=Unattended(),
        pseudonyms=Pseudonyms.load(folder),
        audit_sealer=AuditSealer(storage, config.audit.export_file, clock),
        clock=clock,
        replay=replay,
        limits=_limits(config),
        import_limits=config.limits,
        issuers=trusted,
    )


def _linked(config: Config, metrics: Metrics) -> Linked | None:
    """Return the link to a hub, where one sends; its libraries are loaded only then."""
    if config.link is None:
        return None
    from schoolbell_server.link.linked import Linked

    return Linked(
        config.link,
        config.apps,
        metrics,
        deadline=2 * config.delivery.attempt_timeout,
        clock=utc_now,
    )


def _limits(config: Config) -> ServerLimits:
    """Return what a client must stay within."""
    limits = ServerLimits(
        max_request_byte_count=config.limits.message_bytes,
        max_batch_change_count=MOST_CHANGES,
        max_unanswered_batch_count=WINDOW,
        max_page_size=MAX_PAGE,
    )
    limits.resume_token_life.FromTimedelta(config.retention.status_log)
    return limits


def _tls(config: Config, notices: Notices) -> ServerTls | None:
    server = config.server
    return None if server.plaintext else ServerTls(server.tls, server.data_dir, notices.report)


@contextmanager
def _metrics(
    config: Config,
    tls: ServerTls | None,
    registry: CollectorRegistry,
    listening: socket.socket | None = None,
) -> Iterator[None]:
    """Serve metrics while the context is open: for the parent, or where they are wanted."""
    if listening is not None:
        where = Address(*listening.getsockname())
        with metrics_endpoint(where, registry, listening=listening):
            yield
    elif (wanted := config.server.metrics_listen) is not None:
        with metrics_endpoint(wanted, registry, _metrics_tls(config, tls)):
            yield
    else:
        yield


def _metrics_tls(config: Config, tls: ServerTls | None) -> MetricsTls | None:
    """Return how metrics are kept from strangers; None where they are for this machine alone.

    CannotServeMetrics where the file of the key cannot be used.
    """
    path = config.server.metrics_key_file
    if path is None or tls is None:
        return None
    try:
        credential = read_secret(path).decode("utf-8", "replace").strip()
    except (OSError, SecretExposed) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise CannotServeMetrics(f"server.metrics_key_file: {why}") from None
    if len(credential) < _SHORTEST_KEY:
        raise CannotServeMetrics(
            f"server.metrics_key_file: holds fewer than {_SHORTEST_KEY} characters"
        )
    certificate_file, key_file, client_ca_file = tls.files
    return MetricsTls(
        certificate_file=certificate_file,
        key_file=key_file,
        client_ca_file=client_ca_file,
        credential=credential,
    )


def _listen(config: Config, server: MiddlewareServer, tls: ServerTls | None) -> int:
    address = str(config.server.listen)
    if tls is None:
        return server.add_insecure_port(address)
    return server.add_secure_port(address, tls.credentials())
