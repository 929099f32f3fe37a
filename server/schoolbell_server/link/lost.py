"""Find attempts that were lost on the way: passed on, without an outcome, and nowhere to be found.

A broker may lose its data, somebody may empty a queue, a message may have ended one hub after
another until the broker set it aside. Such a delivery is given back and passed on again, under the
same number: should a hub have made the attempt after all, it answers what became of it.
"""

from __future__ import annotations

from schoolbell_server.link.district_link import DistrictLink
from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.metrics import Metrics
from schoolbell_storage import claims
from schoolbell_storage.engine import Storage

INTERVAL = 300.0
"""Seconds between two looks: longer than a hub keeps a message that it has taken."""

_logger = get_logger(__name__)


class LostAttempts:
    """Looks now and then, while nothing of the district waits for a hub."""

    def __init__(self, storage: Storage, link: DistrictLink, metrics: Metrics) -> None:
        self._storage = storage
        self._link = link
        self._metrics = metrics
        self._seen: set[tuple[str, int]] = set()

    async def look(self) -> None:
        """Give back what was open at the last look too, if nothing waited then and nothing does."""
        if await self._link.waiting() != 0:
            self._seen.clear()
            return
        async with self._storage.read() as connection:
            passed_on = await claims.open_attempts(connection)
        lost = passed_on & self._seen
        self._seen = passed_on - lost
        if not lost:
            return
        async with self._storage.write() as connection:
            await claims.release(connection, claims.HUB, {name for name, _ in lost})
        self._metrics.link_lost.inc(len(lost))
        _logger.warning("attempts lost on the link given back", extra={"deliveries": len(lost)})
