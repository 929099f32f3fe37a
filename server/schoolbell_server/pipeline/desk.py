"""What a route has at hand: deliveries that this server leases and has not begun to send.

New deliveries are handed over in memory right after their commit, as long as the route keeps up;
what does not fit is written unleased and waits to be claimed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from schoolbell_server.pipeline.lease import Lease
from schoolbell_storage.deliveries import DeliveryRow

Telling = tuple[str, str]
"""(device_id, fact_key): what one phone is told of one fact leaves in its order."""


def telling(row: DeliveryRow) -> Telling:
    """Return what a delivery tells, and whom."""
    return row.device_id, row.fact_key


class Desk:
    """The leased deliveries of one route, oldest first."""

    def __init__(self, lease: Lease, most: int) -> None:
        """Take at most `most` deliveries by hand."""
        self._lease = lease
        self._most = most
        self._rows: deque[DeliveryRow] = deque()
        self._expected = 0
        self._term = lease.term
        self._lost: list[DeliveryRow] = []
        self.keeps_up = False
        """Nothing of the route waits in storage, so that nothing new overtakes it."""

    def reserve(self) -> bool:
        """Return whether one more delivery, not committed yet, will be taken."""
        room = len(self._rows) + self._expected < self._most
        if not (room and self.keeps_up and self._lease.held):
            self.keeps_up = False
            return False
        self._expected += 1
        return True

    def settle(self, reserved: int, rows: Iterable[DeliveryRow] = ()) -> None:
        """Take what was committed of so many reserved deliveries."""
        self._expected -= reserved
        self.put(rows)

    def put(self, rows: Iterable[DeliveryRow]) -> None:
        """Take deliveries that were leased just now."""
        self._forget_lost()
        self._rows.extend(rows)

    def take(self, most: int, under_way: set[Telling]) -> list[DeliveryRow]:
        """Take up to `most` deliveries off, but none that tells what is under way."""
        self._forget_lost()
        taken: list[DeliveryRow] = []
        left: list[DeliveryRow] = []
        busy = set(under_way)
        while self._rows and len(taken) < most:
            row = self._rows.popleft()
            (left if telling(row) in busy else taken).append(row)
            busy.add(telling(row))
        self._rows.extendleft(reversed(left))
        return taken

    def clear(self) -> Sequence[DeliveryRow]:
        """Take everything off, to be given back."""
        rows = [*self.lost(), *self._rows]
        self._rows.clear()
        return rows

    def lost(self) -> Sequence[DeliveryRow]:
        """Take off what was leased before this server's lease broke off."""
        self._forget_lost()
        lost, self._lost = self._lost, []
        return lost

    def _forget_lost(self) -> None:
        if self._term != self._lease.term:
            self._term = self._lease.term
            self._lost.extend(self._rows)
            self._rows.clear()
