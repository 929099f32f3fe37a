"""Which districts a hub takes from, on as many connections as that takes.

The broker says who is enrolled, and the ledger keeps it, so that a hub which cannot read the
broker's stream takes from all whom a hub of this ledger ever heard of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from schoolbell_server.background.supervisor import Supervisor
from schoolbell_server.config.topology import DistrictTopology
from schoolbell_server.hub.broker_link import BrokerLink
from schoolbell_server.hub.config import HubConfig
from schoolbell_server.hub.enrolled_stream import EnrolledStream
from schoolbell_server.hub.fair_queue import FairQueue
from schoolbell_server.hub.intake import Intake, Job
from schoolbell_server.hub.ledger_bound import LedgerBound
from schoolbell_server.hub.metrics import HubMetrics
from schoolbell_server.hub.withdrawal_turns import WithdrawalTurns
from schoolbell_server.observability.log import get_logger
from schoolbell_storage import hub_ledger
from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import StorageError

MOST_ON_A_CONNECTION = 1_000
"""The broker allows 2,047 channels of one."""
_LOOK = 5.0  # seconds
_QUIET = 1.0
"""Seconds without an entry after which somebody who was removed, and not enrolled again, is gone:
a stream that is read from its beginning tells of all that ever was."""

_logger = get_logger(__name__)


class Districts:
    """Follows who is enrolled: the first connection hears it from the broker."""

    def __init__(
        self,
        config: HubConfig,
        storage: Storage,
        metrics: HubMetrics,
        queue: FairQueue[Job],
        supervisor: Supervisor,
        bound: LedgerBound,
        known: Collection[str],
    ) -> None:
        """`known` are those whom the ledger knows."""
        self._config = config
        self._storage = storage
        self._metrics = metrics
        self._queue = queue
        self._supervisor = supervisor
        self._bound = bound
        self._turns = WithdrawalTurns()
        self._links: list[BrokerLink] = []
        self._enrolled, self._kept = set(known), set(known)
        self._removed: set[str] = set()
        """Those of the enrolled who were removed, as far as the stream has been read."""
        self._heard = asyncio.Event()
        self._stream = EnrolledStream(self._hear, self._show)
        self.connections: list[asyncio.Task[None]] = []
        self._connect(self._stream)
        self._spread()

    async def run(self) -> None:
        """Keep in the ledger who is enrolled, until cancelled."""
        while True:
            try:
                # What is not kept yet, for a ledger that failed, is tried again.
                async with asyncio.timeout(_LOOK if self._enrolled != self._kept else None):
                    await self._heard.wait()
            except TimeoutError:
                pass
            self._heard.clear()
            await self._keep()
            await asyncio.sleep(_QUIET)
            if not self._heard.is_set():
                self._enrolled -= self._removed
                self._removed.clear()
                self._spread()
                await self._keep()

    async def watch(self) -> None:
        """Count the dead letters, and who is not taken from, now and then, until cancelled."""
        while True:
            dead = await self._links[0].count_dead()
            if dead is not None:
                self._metrics.dead.set(dead)
            self._metrics.untaken.set(sum(link.untaken for link in self._links))
            await asyncio.sleep(_LOOK)

    async def _keep(self) -> None:
        """Write down what has changed; other hubs of the ledger write what they heard."""
        enrolled = set(self._enrolled)
        if enrolled == self._kept:
            return
        try:
            async with self._storage.write() as connection:
                new, gone = enrolled - self._kept, self._kept - enrolled
                await hub_ledger.keep_districts(connection, new, gone)
        except StorageError as error:
            _logger.warning("enrolled districts not kept", extra={"cause": str(error)})
        else:
            self._kept = enrolled

    async def stop(self) -> None:
        """Take nothing more."""
        await asyncio.gather(*(link.stop() for link in self._links))

    def _hear(self, text: str) -> None:
        """Take one entry of the stream: somebody was enrolled, or removed."""
        sign, name = text[:1], text[1:]
        try:
            district = DistrictTopology(name).district
        except ValueError:
            sign = ""
        if sign == "+":
            self._enrolled.add(district)
            self._removed.discard(district)
        elif sign == "-":
            self._removed.add(district)
        else:
            _logger.error("entry of the enrolled districts cannot be read")
            return
        self._heard.set()
        self._spread()

    def _spread(self) -> None:
        """Give each district to a connection, and open another where none has room."""
        self._metrics.districts.set(len(self._enrolled))
        for link in self._links:
            link.districts &= self._enrolled
        left = self._enrolled.difference(*(link.districts for link in self._links))
        for district in sorted(left):
            for link in self._links:
                if len(link.districts) < MOST_ON_A_CONNECTION:
                    break
            else:
                link = self._connect(None)
            link.districts.add(district)

    def _connect(self, stream: EnrolledStream | None) -> BrokerLink:
        link = BrokerLink(self._config.broker, self._intake, self._show, stream)
        self._links.append(link)
        self.connections.append(self._supervisor.start("broker", link.run))
        return link

    def _intake(self, district: str, link: BrokerLink) -> Intake:
        return Intake(
            district,
            self._queue,
            self._storage,
            self._metrics,
            self._turns,
            self._bound,
            answer=link.answer,
            prefetch=self._config.hub.prefetch,
        )

    @property
    def connected(self) -> bool:
        """Return whether all connections to the broker are up."""
        return all(link.connected for link in self._links)

    @property
    def heard(self) -> bool:
        """Return whether it is known who is enrolled now."""
        return not self._stream.trouble

    @property
    def serving(self) -> bool:
        """Return whether anybody's messages can be taken."""
        return self.connected and (self.heard or bool(self._enrolled))

    def _show(self) -> None:
        self._metrics.connected.set(self.connected)
        self._metrics.districts_read.set(self.heard)
