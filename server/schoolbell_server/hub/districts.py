"""Which districts a hub takes from, as the broker says, on as many connections as that takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from schoolbell_server.background.supervisor import Supervisor
from schoolbell_server.hub.broker_link import BrokerLink
from schoolbell_server.hub.fair_queue import FairQueue
from schoolbell_server.hub.intake import Intake, Job
from schoolbell_server.hub.metrics import HubMetrics
from schoolbell_server.hub.settings import HubConfig
from schoolbell_server.link.topology import DistrictTopology
from schoolbell_server.observability.log import get_logger
from schoolbell_storage.engine import Storage

MOST_ON_A_CONNECTION = 1_000
"""The broker allows 2,047 channels of one."""
_LOOK = 5.0  # seconds

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
    ) -> None:
        self._config = config
        self._storage = storage
        self._metrics = metrics
        self._queue = queue
        self._supervisor = supervisor
        self._links: list[BrokerLink] = []
        self._enrolled: set[str] = set()
        self.connections: list[asyncio.Task[None]] = []
        self._connect(self._hear)

    async def run(self) -> None:
        """Look at the dead letters now and then, until cancelled."""
        while True:
            dead = await self._links[0].count_dead()
            if dead is not None:
                self._metrics.dead.set(dead)
            await asyncio.sleep(_LOOK)

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
        elif sign == "-":
            self._enrolled.discard(district)
        else:
            _logger.error("entry of the enrolled districts cannot be read")
            return
        self._metrics.districts.set(len(self._enrolled))
        self._spread()

    def _spread(self) -> None:
        """Give each district to a connection, and open another where none has room."""
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

    def _connect(self, hear: Callable[[str], None] | None) -> BrokerLink:
        link = BrokerLink(self._config.broker, self._intake, self._show, hear)
        self._links.append(link)
        self.connections.append(self._supervisor.start("broker", link.run))
        return link

    def _intake(self, district: str, link: BrokerLink) -> Intake:
        return Intake(
            district,
            self._queue,
            self._storage,
            self._metrics,
            answer=link.answer,
            prefetch=self._config.hub.prefetch,
        )

    @property
    def connected(self) -> bool:
        """Return whether all connections to the broker are up."""
        return all(link.connected for link in self._links)

    def _show(self) -> None:
        self._metrics.connected.set(self.connected)
