"""End deliveries whose turn broke for a reason of our own: none stays leased for ever.

What became of them is not known: they are UNCERTAIN, and are sent again only if somebody asks.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from schoolbell_server.background.periodic import until_stored
from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.status import journal
from schoolbell_storage.claims import quarantine
from schoolbell_storage.deliveries import fetch_deliveries
from schoolbell_storage.engine import Storage

_logger = get_logger(__name__)


class Quarantine:
    """Ends what this server leases and cannot handle."""

    def __init__(
        self,
        storage: Storage,
        metrics: Metrics,
        *,
        owner: str,
        clock: Callable[[], dt.datetime],
        on_written: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._metrics = metrics
        self._owner = owner
        self._clock = clock
        self._on_written = on_written

    async def end(
        self, delivery_ids: Sequence[str], cause: Exception, *, owner: str | None = None
    ) -> None:
        """End those that are still leased, and return once that is stored.

        `owner` holds the leases: this server where it is None.
        """
        holder = owner or self._owner

        async def end() -> list[str]:
            async with self._storage.write() as connection:
                return await quarantine(connection, holder, delivery_ids, self._clock())

        # Whatever fails it: a lease must not outlive its turn.
        ended = await until_stored(
            end, "deliveries not set aside", count=len(delivery_ids), faults=Exception
        )
        self._metrics.set_aside.inc(len(ended))
        for delivery_id in ended:
            _logger.error("delivery set aside", extra={"delivery_id": delivery_id}, exc_info=cause)
        await self._tell(ended)

    async def _tell(self, delivery_ids: Sequence[str]) -> None:
        """Tell watchers, if what broke the turn does not forbid that too."""
        try:
            async with self._storage.write() as connection:
                rows = await fetch_deliveries(connection, delivery_ids, lock=True)
                await journal.record(connection, self._clock(), list(rows.values()))
        except Exception as error:
            _logger.error("set aside untold", extra={"count": len(delivery_ids)}, exc_info=error)
        self._on_written()
