"""From the accepting transaction to the senders, in memory: only after a known commit.

What a transaction leases may turn out to be committed or not, where its commit fails: such leases
are given back, and whatever exists of them is found by a claim.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from schoolbell_server.domain.delivery import UNSENT
from schoolbell_server.domain.kinds import Platform
from schoolbell_server.observability.log import get_logger
from schoolbell_server.pipeline.desk import Desk
from schoolbell_server.pipeline.lease import Lease
from schoolbell_server.pipeline.stopping import Stop
from schoolbell_storage import claims
from schoolbell_storage.deliveries import DeliveryRow
from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import StorageError

_FAULT_PAUSE = 1.0  # seconds
_Place = tuple[str, Platform]

_logger = get_logger(__name__)


class Taker(Protocol):
    """A route, as far as it is handed deliveries."""

    @property
    def desk(self) -> Desk:
        """Return where it keeps what it leases."""

    def hand(self, reserved: Mapping[int, int], rows: Sequence[DeliveryRow]) -> None:
        """Take what was committed of so many deliveries, by lane, that the desk had reserved."""

    def wake(self) -> None:
        """Look for what waits in storage."""


class Offer:
    """What one transaction leases for the senders of this server."""

    def __init__(self, lease: Lease, routes: Mapping[_Place, Taker]) -> None:
        self._lease = lease
        self._routes = routes
        self._reserved: dict[_Place, Counter[int]] = defaultdict(Counter)
        self.delivery_ids: list[str] = []
        """What it leased."""

    def lease(self, delivery_id: str, app_id: str, platform: Platform, lane: int) -> str:
        """Return who leases a new delivery: this server, or '' where it waits to be claimed."""
        route = self._routes.get((app_id, platform))
        if route is None or not route.desk.reserve(lane):
            return ""
        self._reserved[app_id, platform][lane] += 1
        self.delivery_ids.append(delivery_id)
        return self._lease.instance_id

    def settle(self, rows: Iterable[DeliveryRow] = ()) -> None:
        """Hand over what was committed; nothing, where nothing was or nobody knows."""
        leased: dict[_Place, list[DeliveryRow]] = {place: [] for place in self._reserved}
        waiting: set[_Place] = set()
        for row in rows:
            place = row.app_id, row.platform
            if row.lease_owner:
                leased[place].append(row)
            elif row.state in UNSENT:
                waiting.add(place)
        for place, reserved in self._reserved.items():
            self._routes[place].hand(reserved, leased[place])
        for place in waiting & self._routes.keys():
            self._routes[place].wake()


class HandOff:
    """Makes offers, and gives back the leases of commits that nobody knows of."""

    def __init__(self, storage: Storage, lease: Lease, routes: Mapping[_Place, Taker]) -> None:
        self._storage = storage
        self._lease = lease
        self._routes = routes
        self._in_doubt: list[str] = []

    def offer(self) -> Offer:
        """Begin a transaction's offer; whoever begins one settles it."""
        return Offer(self._lease, self._routes)

    def doubt(self, offer: Offer) -> None:
        """Note that nobody knows whether an offer was committed."""
        self._in_doubt += offer.delivery_ids

    async def run(self, stop: Stop) -> None:
        """Give back what is in doubt until stopped; a storage that fails is tried again."""
        while await stop.pause(_FAULT_PAUSE):
            try:
                await self.give_back()
            except StorageError as error:
                _logger.warning("leases not given back", extra={"cause": str(error)})

    async def give_back(self) -> None:
        """Give back what is in doubt."""
        if self._in_doubt:
            doubtful = list(self._in_doubt)
            async with self._storage.write() as connection:
                await claims.release(connection, self._lease.instance_id, doubtful)
            del self._in_doubt[: len(doubtful)]
