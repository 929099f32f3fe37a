"""From the accepting transaction to the senders, in memory: only after a known commit.

What a transaction leases may turn out to be committed or not, where the answer to its commit is
lost: nothing of it is handed over, and what it leased after all is orphaned.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from schoolbell_server.dispatch.dispatch_queue import DispatchQueue
from schoolbell_server.dispatch.lease import Lease
from schoolbell_server.domain.delivery import UNSENT, Delivery
from schoolbell_server.domain.kinds import Platform

_Place = tuple[str, Platform]


class Taker(Protocol):
    """A dispatcher, as far as it is handed deliveries."""

    @property
    def queue(self) -> DispatchQueue:
        """Return where it keeps what it leases."""

    def hand(self, reserved: Mapping[int, int], rows: Sequence[Delivery], term: int) -> None:
        """Take what was committed of so many deliveries, by lane, that the queue had reserved.

        `term` is the one of this server's lease in which they were leased.
        """

    def wake(self) -> None:
        """Look for what waits in storage."""


class Reservation:
    """What one transaction leases for the senders of this server."""

    def __init__(self, lease: Lease, dispatchers: Mapping[_Place, Taker]) -> None:
        """Whoever begins a reservation settles it."""
        self._lease = lease
        self._dispatchers = dispatchers
        self._term: int | None = None
        """Of this server's lease, when the transaction first leased. It may have waited for the
        writer's lock behind a renewal, so that an earlier look says nothing."""
        self._reserved: dict[_Place, Counter[int]] = defaultdict(Counter)

    def lease(self, app_id: str, platform: Platform, lane: int) -> str:
        """Return who leases a new delivery: this server, or '' where it waits to be claimed.

        On SQLite a brief transaction asks in the writer's thread: nothing that is reserved changes
        elsewhere before the offer is settled.
        """
        dispatcher = self._dispatchers.get((app_id, platform))
        if dispatcher is None or not dispatcher.queue.reserve(lane):
            return ""
        if self._term is None:
            self._term = self._lease.term
        self._reserved[app_id, platform][lane] += 1
        return self._lease.instance_id

    def settle(self, rows: Iterable[Delivery] = ()) -> None:
        """Hand over what was committed; nothing, where nothing was, or nobody knows."""
        leased: dict[_Place, list[Delivery]] = {place: [] for place in self._reserved}
        waiting: set[_Place] = set()
        for row in rows:
            place = row.app_id, row.platform
            if row.lease_owner:
                leased[place].append(row)
            elif row.state in UNSENT:
                waiting.add(place)
        for place, reserved in self._reserved.items():
            if self._term is not None:
                self._dispatchers[place].hand(reserved, leased[place], self._term)
        for place in waiting & self._dispatchers.keys():
            self._dispatchers[place].wake()
