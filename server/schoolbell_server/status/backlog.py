"""How much waits: counted now and then, for the limit of the backlog, metrics and status."""

from __future__ import annotations

import datetime as dt
import time
from collections import defaultdict
from collections.abc import Callable, Iterable

from schoolbell.v1 import status_pb2
from schoolbell_server.background.stopping import Stop
from schoolbell_server.contract.fields import write_time
from schoolbell_server.domain.lanes import Lane
from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.status.warnings import ActiveWarning
from schoolbell_storage.delivery_queries import LaneBacklog, backlog
from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import StorageError

INTERVAL = 1.0  # seconds between two counts
_REST = 20
"""Times as long as a count took until the next one: a long queue takes long to count."""
_LONGEST_REST = 60.0  # seconds
_NEAR = 0.8  # of the limit

_logger = get_logger(__name__)


class Backlog:
    """Counts what waits."""

    def __init__(
        self,
        storage: Storage,
        metrics: Metrics,
        *,
        most: int,
        clock: Callable[[], dt.datetime],
    ) -> None:
        """`most` deliveries may wait; near that there is a warning."""
        self._storage = storage
        self._metrics = metrics
        self._most = most
        self._clock = clock
        self._counted: list[LaneBacklog] = []
        self._count_time = time.monotonic()
        self._near_since: dt.datetime | None = None
        metrics.backlog_age.set_function(lambda: time.monotonic() - self._count_time)

    @property
    def waiting(self) -> int:
        """Return how many deliveries wait, as last counted."""
        return self.waiting_before(len(Lane))

    def waiting_before(self, lane: int) -> int:
        """Return how many deliveries wait in the lanes before this one, as last counted."""
        return sum(one.pending + one.held for one in self._counted if one.lane < lane)

    async def run(self, stop: Stop) -> None:
        """Count until stopped."""
        rest, last = INTERVAL, 0.0
        going = True
        while going:
            began = time.monotonic()
            try:
                await self.count()
            except StorageError as error:
                _logger.warning("backlog not counted", extra={"cause": str(error)})
                rest = INTERVAL
            else:
                took = time.monotonic() - began
                rest, last = rest_after(took, last), took
            going = await stop.pause(rest)

    async def count(self) -> None:
        """Count once."""
        async with self._storage.read() as connection:
            self._counted = await backlog(connection)
        self._count_time = time.monotonic()
        near = self.waiting > self._most * _NEAR
        self._near_since = (self._near_since or self._clock()) if near else None
        self._export()

    def warnings(self) -> Iterable[ActiveWarning]:
        """Yield what there is to say about it."""
        if self._near_since is not None:
            text = f"{self.waiting} deliveries wait, near the limit of {self._most}."
            yield ActiveWarning(status_pb2.WARNING_CODE_BACKLOG, text, self._near_since)

    def of_district(self, district_id: str) -> list[status_pb2.Backlog]:
        """Return what waits of one district, by lane."""
        return [
            status_pb2.Backlog(
                lane=Lane(lane.lane).label,
                pending_count=lane.pending,
                held_count=lane.held,
                oldest_due_time=(
                    None if lane.oldest_due_time is None else write_time(lane.oldest_due_time)
                ),
            )
            for lane in sorted(self._counted, key=lambda lane: lane.lane)
            if lane.district_id == district_id
        ]

    def _export(self) -> None:
        now = self._clock()
        totals: dict[int, list[float]] = defaultdict(lambda: [0, 0, 0.0])
        for one in self._counted:
            total = totals[one.lane]
            total[0] += one.pending
            total[1] += one.held
            if one.oldest_due_time is not None:
                total[2] = max(total[2], (now - one.oldest_due_time).total_seconds())
        for lane in Lane:
            pending, held, oldest = totals[lane]
            self._metrics.backlog.labels(lane.label, "PENDING").set(pending)
            self._metrics.backlog.labels(lane.label, "HELD").set(held)
            self._metrics.oldest_due.labels(lane.label).set(oldest)


def rest_after(took: float, before: float) -> float:
    """Return for how long to rest, in seconds, after a count and the one before it.

    One slow count alone has waited for something, a lock or a database that hung, and says nothing
    about the length of the queue.
    """
    return min(max(INTERVAL, min(took, before) * _REST), _LONGEST_REST)
