"""Leases of this server of which it knows nothing: given back, so that they can be claimed.

Where the answer to a commit is lost, nobody can say whether it was made; it may even be made later,
by a database that hung. What it leased is in nobody's hands then, and would wait until this server
ends.
"""

from __future__ import annotations

from collections.abc import Collection, Set
from typing import Protocol

from schoolbell_server.dispatch.lease import Lease
from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.metrics import Metrics
from schoolbell_storage import claims
from schoolbell_storage.engine import Storage

_logger = get_logger(__name__)


class Holder(Protocol):
    """A dispatcher, as far as it holds leases."""

    def leases(self) -> Set[str]:
        """Return the ids of what it holds."""

    def wake(self) -> None:
        """Look for what waits in storage."""


class OrphanedLeases:
    """Looks now and then for what is leased and held by no dispatcher."""

    def __init__(
        self,
        storage: Storage,
        lease: Lease,
        holders: Collection[Holder],
        metrics: Metrics,
    ) -> None:
        self._storage = storage
        self._lease = lease
        self._holders = holders
        self._metrics = metrics
        self._seen: set[str] = set()

    async def look(self) -> None:
        """Give back what is orphaned for the second time: once may be on its way to a dispatcher.

        Between two looks must lie more than a transaction and its hand-over may take.
        """
        owner = self._lease.instance_id
        async with self._storage.read() as connection:
            leased = await claims.leased_by(connection, owner)
        orphaned = self._orphaned(leased)
        again, self._seen = orphaned & self._seen, orphaned
        if not again:
            return
        async with self._storage.write() as connection:
            given_back = self._orphaned(again)  # what came to a dispatcher meanwhile is its
            await claims.release(connection, owner, given_back)
        self._seen = orphaned - given_back
        if not given_back:
            return
        self._metrics.orphaned_leases.inc(len(given_back))
        _logger.warning("orphaned leases given back", extra={"deliveries": len(given_back)})
        for holder in self._holders:
            holder.wake()

    def _orphaned(self, leased: set[str]) -> set[str]:
        return leased.difference(*(holder.leases() for holder in self._holders))
