"""The state of the service: what the portal's page shows, and what watchers are told.

Links are probed also when idle. What is measured is kept by this server; a district's own part
(its switch, its year) is read when it is asked for.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from schoolbell.v1 import common_pb2, status_pb2
from schoolbell_server.config import ConfigWarning
from schoolbell_server.contract.fields import write_time
from schoolbell_server.domain.kinds import APP_PROVIDER, Platform, Provider
from schoolbell_server.gateways.circuit import CircuitState
from schoolbell_server.gateways.circuits import CircuitView
from schoolbell_server.gateways.push import Gateway, GatewayHealth
from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.pipeline.lanes import LANES
from schoolbell_server.pipeline.lease import Lease
from schoolbell_server.pipeline.stopping import Stop
from schoolbell_server.status.notices import Notices
from schoolbell_storage import status_log
from schoolbell_storage.delivery_queries import LaneBacklog, backlog
from schoolbell_storage.districts import DistrictRow, get_district, read_settings
from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import StorageError
from schoolbell_storage.instances import count_workers
from schoolbell_storage.roster import count_portal_relationships

BACKLOG_INTERVAL = 1.0  # seconds between two looks at storage
_LONGEST_ANSWER = 5.0  # seconds, to a look at storage
_REST = 20
"""Times as long as a count took until the next one: a long queue takes long to count."""
_RATE_WINDOW = 60.0  # seconds
_Code = status_pb2.WarningCode
_Link = tuple[str, Platform]
_CIRCUITS = {
    CircuitState.CLOSED: status_pb2.CIRCUIT_CLOSED,
    CircuitState.OPEN: status_pb2.CIRCUIT_OPEN,
    CircuitState.HALF_OPEN: status_pb2.CIRCUIT_HALF_OPEN,
}

_logger = get_logger(__name__)


@dataclass(slots=True)
class _LinkState:
    health: GatewayHealth
    since: dt.datetime


@dataclass(slots=True)
class _Rate:
    """Counts what happened in the last minute."""

    marks: deque[tuple[dt.datetime, int]] = field(default_factory=deque)

    def add(self, now: dt.datetime, count: int) -> None:
        self.marks.append((now, count))

    def per_second(self, now: dt.datetime) -> float:
        while self.marks and (now - self.marks[0][0]).total_seconds() > _RATE_WINDOW:
            self.marks.popleft()
        return sum(count for _, count in self.marks) / _RATE_WINDOW


class Monitor:
    """Probes the links, counts the backlog, and puts a district's state together."""

    def __init__(
        self,
        storage: Storage,
        gateways: Mapping[_Link, Gateway],
        metrics: Metrics,
        *,
        warnings: Sequence[ConfigWarning],
        probe_interval: dt.timedelta,
        most_backlog: int,
        notices: Notices | None = None,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._storage = storage
        self._gateways = gateways
        self._metrics = metrics
        self._warnings = warnings
        self._probe_interval = probe_interval.total_seconds()
        self._most_backlog = most_backlog
        self._clock = clock
        self._notices = notices or Notices(clock)
        self._started = clock()
        self._links: dict[_Link, _LinkState] = {}
        self._open: set[_Link] = set()
        self._backlog: list[LaneBacklog] = []
        self._readable = True
        self._lease: Lease | None = None
        self.changes, self.attempts, self.accepted = _Rate(), _Rate(), _Rate()

    def follow(self, lease: Lease) -> None:
        """Take storage for writable as long as this lease can be renewed."""
        self._lease = lease

    @property
    def storage_answers(self) -> bool:
        """Return whether storage was read and written when last tried."""
        return self._readable and (self._lease is None or self._lease.sound)

    @property
    def waiting(self) -> int:
        """Return how many deliveries wait, as last counted."""
        return self.waiting_before(len(LANES))

    def waiting_before(self, lane: int) -> int:
        """Return how many deliveries wait in the lanes before this one, as last counted."""
        return sum(one.pending + one.held for one in self._backlog if one.lane < lane)

    async def probe(self) -> None:
        """Probe every link once."""
        await asyncio.gather(*(self._probe(link) for link in self._gateways))

    @property
    def links(self) -> Collection[_Link]:
        """Return every link that is probed."""
        return self._gateways.keys()

    async def run_probes(self, link: _Link) -> None:
        """Probe a link until cancelled."""
        while True:
            await self._probe(link)
            await asyncio.sleep(self._probe_interval)

    async def run_backlog(self, stop: Stop) -> None:
        """Read storage and count what waits, until stopped."""
        going, next_count = True, 0.0
        while going:
            began = time.monotonic()
            self._readable = await self._look()
            if self._readable and began >= next_count:
                with suppress(StorageError):
                    async with self._storage.read() as connection:
                        self._backlog = await backlog(connection)
                next_count = began + (time.monotonic() - began) * _REST
            self._export()
            going = await stop.pause(BACKLOG_INTERVAL)

    async def _look(self) -> bool:
        try:
            async with asyncio.timeout(_LONGEST_ANSWER), self._storage.read() as connection:
                await status_log.position(connection)
        except (StorageError, TimeoutError):
            return False
        return True

    async def state(self, district_id: str) -> status_pb2.ServiceState:
        """Return the state of one district."""
        async with self._storage.read() as connection:
            district = await get_district(connection, district_id)
            settings = await read_settings(connection, district_id)
            portals = await count_portal_relationships(connection, district_id)
            workers = await count_workers(connection)
        enabled = settings is not None and settings.enabled
        served = enabled and self.storage_answers and workers > 0
        links = self._district_links(district)
        return status_pb2.ServiceState(
            district_id=district_id,
            service_status=(
                status_pb2.SERVICE_STATUS_ACTIVE if served else status_pb2.SERVICE_STATUS_INACTIVE
            ),
            connectivity=_connectivity(links),
            links=links,
            warnings=self._all_warnings(district, links, portals=portals, workers=workers),
            backlog=self._district_backlog(district_id),
            rates=self._rates(),
        )

    async def _probe(self, link: _Link) -> None:
        try:
            health = await self._gateways[link].probe()
        except Exception as error:
            health = GatewayHealth(connected=False, reason=type(error).__name__)
            _logger.error("link not probed", extra={"app_id": link[0]}, exc_info=error)
        before = self._links.get(link)
        if before is None or before.health != health:
            app_id, platform = link
            log = _logger.info if health.connected else _logger.warning
            log(
                "link probed",
                extra={
                    "app_id": app_id,
                    "provider": APP_PROVIDER[platform].name,
                    "state": "connected" if health.connected else "disconnected",
                    "provider_reason": health.reason,
                },
            )
            self._links[link] = _LinkState(health, self._clock())
        labels = (link[0], APP_PROVIDER[link[1]].name)
        self._metrics.link_connected.labels(*labels).set(health.connected)

    def _watch_circuits(self) -> None:
        """Note which circuits opened and closed."""
        for link, gateway in self._gateways.items():
            app_id, platform = link
            view, provider = gateway.circuit, APP_PROVIDER[platform].name
            is_open = view.state is not CircuitState.CLOSED
            self._metrics.circuit_open.labels(app_id, provider).set(is_open)
            if is_open == (link in self._open):
                continue
            (self._open.add if is_open else self._open.discard)(link)
            log = _logger.warning if is_open else _logger.info
            ids = {"app_id": app_id, "provider": provider, "provider_reason": view.reason}
            log("circuit open" if is_open else "circuit closed", extra=ids)

    def _export(self) -> None:
        self._watch_circuits()
        now = self._clock()
        totals: dict[int, list[float]] = defaultdict(lambda: [0, 0, 0.0])
        for lane in self._backlog:
            total = totals[lane.lane]
            total[0] += lane.pending
            total[1] += lane.held
            if lane.oldest_due_time is not None:
                total[2] = max(total[2], (now - lane.oldest_due_time).total_seconds())
        for number, name in enumerate(LANES):
            pending, held, oldest = totals[number]
            self._metrics.backlog.labels(name, "PENDING").set(pending)
            self._metrics.backlog.labels(name, "HELD").set(held)
            self._metrics.oldest_due.labels(name).set(oldest)

    def _district_links(self, district: DistrictRow | None) -> list[status_pb2.Link]:
        apps = set() if district is None else set(district.app_ids)
        return [
            _link(app_id, platform, self._links.get((app_id, platform)), gateway.circuit)
            for (app_id, platform), gateway in self._gateways.items()
            if app_id in apps
        ]

    def _district_backlog(self, district_id: str) -> list[status_pb2.Backlog]:
        return [
            status_pb2.Backlog(
                lane=LANES[lane.lane],
                pending_count=lane.pending,
                held_count=lane.held,
                oldest_due_time=(
                    None if lane.oldest_due_time is None else write_time(lane.oldest_due_time)
                ),
            )
            for lane in sorted(self._backlog, key=lambda lane: lane.lane)
            if lane.district_id == district_id
        ]

    def _rates(self) -> status_pb2.Rates:
        now = self._clock()
        return status_pb2.Rates(
            change_rate=self.changes.per_second(now),
            attempt_rate=self.attempts.per_second(now),
            acceptance_rate=self.accepted.per_second(now),
        )

    def _all_warnings(
        self,
        district: DistrictRow | None,
        links: Iterable[status_pb2.Link],
        *,
        portals: int,
        workers: int,
    ) -> list[status_pb2.ServiceWarning]:
        found = [self._warning(_Code.ValueType(one.code), one.text) for one in self._warnings]
        if district is not None and district.active_school_year is None:
            text = "The district has no active school year: nobody is told."
            found.append(self._warning(_Code.WARNING_CODE_NO_ACTIVE_YEAR, text))
        if not portals:
            text = "No relationship has the portal flag: nobody but students can be told."
            found.append(self._warning(_Code.WARNING_CODE_NO_PORTAL_DATA, text))
        if not workers:
            text = "No server that sends is alive."
            found.append(self._warning(_Code.WARNING_CODE_NO_WORKER, text))
        if not self.storage_answers:
            text = "Storage does not answer: nothing is accepted."
            found.append(self._warning(_Code.WARNING_CODE_STORAGE_UNAVAILABLE, text))
        if self.waiting > self._most_backlog * 0.8:
            text = f"{self.waiting} deliveries wait, near the limit of {self._most_backlog}."
            found.append(self._warning(_Code.WARNING_CODE_BACKLOG, text))
        found += self._link_warnings(district)
        found += [
            status_pb2.ServiceWarning(
                code=_Code.WARNING_CODE_CREDENTIAL_EXPIRING,
                text=notice.text,
                start_time=write_time(notice.since),
            )
            for notice in self._notices.of(() if district is None else district.app_ids)
        ]
        for link in links:
            if link.connectivity == status_pb2.CONNECTIVITY_DISCONNECTED:
                text = f"{link_name(link)} cannot be reached: {link.reason}"
                found.append(self._warning(_Code.WARNING_CODE_PROVIDER_UNREACHABLE, text))
        return found

    def _link_warnings(self, district: DistrictRow | None) -> list[status_pb2.ServiceWarning]:
        """Return what the gateways of the district's apps have to say beyond being reachable."""
        apps = set() if district is None else set(district.app_ids)
        found = []
        for (app_id, platform), state in self._links.items():
            if app_id not in apps:
                continue
            name = f"{app_id}/{APP_PROVIDER[platform].name.lower()}"
            if state.health.tokens_spared:
                text = f"Suspiciously many tokens of {name} died at once; they are kept."
                found.append(self._warning(_Code.WARNING_CODE_MASS_TOKEN_DEATH, text))
            circuit = self._gateways[app_id, platform].circuit
            if state.health.credentials_refused or circuit.credentials_refused:
                text = f"{name} refuses the app's credentials; its deliveries are held."
                found.append(self._warning(_Code.WARNING_CODE_CREDENTIAL_REFUSED, text))
        return found

    def _warning(self, code: _Code.ValueType, text: str) -> status_pb2.ServiceWarning:
        return status_pb2.ServiceWarning(code=code, text=text, start_time=write_time(self._started))


def _link(
    app_id: str, platform: Platform, state: _LinkState | None, circuit: CircuitView
) -> status_pb2.Link:
    link = status_pb2.Link(
        type=status_pb2.LINK_TYPE_PROVIDER,
        app_id=app_id,
        provider=common_pb2.Provider.ValueType(APP_PROVIDER[platform]),
        circuit=_CIRCUITS[circuit.state],
    )
    if state is None:
        return link
    health, reason = state.health, state.health.reason or circuit.reason
    if not health.connected and not health.credentials_refused:
        link.connectivity = status_pb2.CONNECTIVITY_DISCONNECTED
    elif reason:
        link.connectivity = status_pb2.CONNECTIVITY_DEGRADED
    else:
        link.connectivity = status_pb2.CONNECTIVITY_CONNECTED
    link.reason = reason
    link.start_time.FromDatetime(state.since)
    return link


def link_name(link: status_pb2.Link) -> str:
    """Return what the log and the warnings call a link, such as `parent-ios/apns`."""
    return f"{link.app_id}/{Provider(link.provider).name.lower()}"


def _connectivity(links: Sequence[status_pb2.Link]) -> status_pb2.Connectivity.ValueType:
    states = {link.connectivity for link in links}
    if not states or states == {status_pb2.CONNECTIVITY_UNSPECIFIED}:
        return status_pb2.CONNECTIVITY_UNSPECIFIED
    if states == {status_pb2.CONNECTIVITY_CONNECTED}:
        return status_pb2.CONNECTIVITY_CONNECTED
    if states == {status_pb2.CONNECTIVITY_DISCONNECTED}:
        return status_pb2.CONNECTIVITY_DISCONNECTED
    return status_pb2.CONNECTIVITY_DEGRADED
