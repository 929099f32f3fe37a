"""What a dispatcher has at hand: deliveries that this server leases and has not begun to send.

New deliveries are handed over in memory right after their commit, as long as the route keeps up;
what does not fit is written unleased and waits to be claimed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from schoolbell_server.dispatch.lease import Lease
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.lanes import Lane

Telling = tuple[str, str]
"""(device_id, fact_key): what one phone is told of one fact leaves in its order."""


def telling(row: Delivery) -> Telling:
    """Return what a delivery tells, and whom."""
    return row.device_id, row.fact_key


class DispatchQueue:
    """The leased deliveries of one route: by lane, in a lane the oldest first."""

    def __init__(self, lease: Lease, most: int) -> None:
        """Take at most `most` deliveries of a lane by hand."""
        self._lease = lease
        self._most = most
        self._lanes: tuple[deque[Delivery], ...] = tuple(deque() for _ in Lane)
        self._expected = [0] * len(Lane)
        self._term = lease.term
        self._lost: list[Delivery] = []
        self._open = [False] * len(Lane)
        """Nothing of the lane waits in storage, so that nothing new overtakes it."""

    def open(self, waiting: Set[int] = frozenset()) -> None:
        """Take new deliveries by hand, but none of a lane that waits in storage."""
        self._open = [lane not in waiting for lane in range(len(Lane))]

    def close(self) -> None:
        """Take nothing by hand."""
        self._open = [False] * len(Lane)

    def reserve(self, lane: int) -> bool:
        """Return whether one more delivery, not committed yet, will be taken."""
        room = len(self._lanes[lane]) + self._expected[lane] < self._most
        if not (room and self._open[lane] and self._lease.held):
            self._open[lane] = False
            return False
        self._expected[lane] += 1
        return True

    def ids(self) -> Iterator[str]:
        """Yield the ids of what is at hand, and of what was lost and not taken off yet."""
        return (row.delivery_id for rows in (*self._lanes, self._lost) for row in rows)

    def full(self, lane: int) -> bool:
        """Return whether so much of a lane is at hand that none is to be claimed."""
        return len(self._lanes[lane]) >= self._most

    def settle(
        self, reserved: Mapping[int, int], rows: Iterable[Delivery] = (), *, term: int
    ) -> None:
        """Take what was committed of so many reserved deliveries, by lane."""
        for lane, count in reserved.items():
            self._expected[lane] -= count
        self.put(rows, term=term)

    def put(self, rows: Iterable[Delivery], *, term: int) -> None:
        """Take deliveries that were leased in a term of this server's lease.

        Those of a term that is over are lost at once: they are given back, never forgotten.
        """
        self._forget_lost()
        if term != self._term:
            self._lose(rows)
            return
        for row in rows:
            self._lanes[row.lane].append(row)

    def take(
        self, most: int, under_way: set[Telling], *, first_lane: bool = False
    ) -> list[Delivery]:
        """Take up to `most` deliveries off, but none that tells what is under way.

        Only of the lane that goes before all others, if asked.
        """
        self._forget_lost()
        taken: list[Delivery] = []
        busy = set(under_way)
        for rows in self._lanes[:1] if first_lane else self._lanes:
            left: list[Delivery] = []
            while rows and len(taken) < most:
                row = rows.popleft()
                (left if telling(row) in busy else taken).append(row)
                busy.add(telling(row))
            rows.extendleft(reversed(left))
        return taken

    def clear(self) -> Sequence[Delivery]:
        """Take everything off, to be given back."""
        self._lose_all()
        return self.lost()

    def lost(self) -> Sequence[Delivery]:
        """Take off what was leased before this server's lease broke off."""
        self._forget_lost()
        lost, self._lost = self._lost, []
        return lost

    def _forget_lost(self) -> None:
        if self._term != self._lease.term:
            self._term = self._lease.term
            self._lose_all()

    def _lose_all(self) -> None:
        for rows in self._lanes:
            self._lose(rows)
            rows.clear()

    def _lose(self, rows: Iterable[Delivery]) -> None:
        """Keep deliveries to be given back; what is new must not overtake them meanwhile."""
        before = len(self._lost)
        self._lost.extend(rows)
        if len(self._lost) > before:
            self.close()
