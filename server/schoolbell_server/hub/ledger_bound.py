"""How many rows of the ledger a district may have, whatever it asks for and takes back.

Twice as many deliveries as its queues hold, and as many withdrawals: what is older has been
answered and acknowledged long ago, so that no message is left that its rows would be needed for.
"""

from __future__ import annotations

from collections import Counter

from schoolbell_server.hub.metrics import HubMetrics
from schoolbell_server.observability.log import get_logger
from schoolbell_storage import hub_ledger
from schoolbell_storage.engine import Storage

MOST_ROWS = 1_000_000
"""Attempts of a district, and again as many withdrawals. Its five lanes hold 1,000 messages each,
of 100 deliveries."""
_SHARE = 10
"""A district is looked at again once it has written this part of its rows."""

_logger = get_logger(__name__)


class LedgerBound:
    """Drops a district's oldest rows beyond the bound; the cost of looking is linear in writing."""

    def __init__(self, storage: Storage, metrics: HubMetrics, most: int = MOST_ROWS) -> None:
        self._storage = storage
        self._metrics = metrics
        self._most = most
        self._written: Counter[str] = Counter()
        self._seen: set[str] = set()

    def count(self, district: str, rows: int) -> None:
        """Take note of rows that a district was given."""
        self._written[district] += rows

    async def round(self) -> None:
        """Look at all who may be beyond the bound: also those whom an earlier life gave rows."""
        due = [
            district
            for district, rows in self._written.items()
            if rows * _SHARE >= self._most or district not in self._seen
        ]
        for district in due:
            written = self._written[district]
            await self._trim(district)
            self._written[district] -= written
            self._seen.add(district)

    async def _trim(self, district: str) -> None:
        total, dropped = 0, 1
        while dropped:
            async with self._storage.write() as connection:
                dropped = await hub_ledger.drop_oldest(connection, district, self._most)
            total += dropped
        if total:
            self._metrics.ledger_dropped.labels(district).inc(total)
            about = {"district_id": district, "count": total}
            _logger.warning("a district's rows beyond its bound dropped", extra=about)
