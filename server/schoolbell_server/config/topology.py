"""What stands on the broker between districts and hubs: names, bounds and permissions.

One virtual host serves all hubs. Every district has an exchange of its own to send through, a
request queue for each lane, a queue of withdrawals, and a queue that outcomes come back on. It may
write to its exchange and read its outcomes, and declares nothing: enrolling makes all of it.

A hub knows who sent a message by the queue that it came from: nothing in a message is trusted for
that. Hubs take from every district's queues with a prefetch for each, which shares a hub fairly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schoolbell_server.domain.lanes import Lane

VIRTUAL_HOST = "schoolbell"
"""The virtual host of the broker, where its URL names none."""
HUB_USER = "hub"
"""The user name that every hub presents, unless its configuration says otherwise."""

OUTCOMES_EXCHANGE = "hub.outcomes"
"""Direct, durable; hubs write to it, by district. Bound to every district's outcomes queue."""
DEAD_LETTER_EXCHANGE = "hub.dead"
"""Fanout, durable: what a hub could not read, or what ended one hub after another."""
DEAD_LETTER_QUEUE = "hub.dead"
"""Bound to `DEAD_LETTER_EXCHANGE`."""

DISTRICTS_STREAM = "hub.districts"
"""A stream, which every hub reads from its beginning: who is enrolled. Enrolling adds `+DISTRICT`,
removing `-DISTRICT`, as UTF-8, through the default exchange."""
DISTRICTS_ARGUMENTS: Mapping[str, str | int] = {"x-queue-type": "stream"}

MAX_MESSAGE_BYTES = 1024 * 1024
"""The broker's `max_message_size`: 100 deliveries of 4 KiB and their addresses fit twice."""

Arguments = Mapping[str, str | int]

_BOUNDED: Arguments = {"x-queue-type": "quorum", "x-overflow": "reject-publish"}
REQUEST_ARGUMENTS: Arguments = {
    **_BOUNDED,
    "x-max-length": 1_000,
    "x-max-length-bytes": 64 * 1024 * 1024,
    "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE,
    "x-delivery-limit": 20,
}
"""Of a queue that hubs take from. A full one refuses, and the deliveries wait in the district."""
OUTCOME_ARGUMENTS: Arguments = {
    **_BOUNDED,
    "x-max-length": 10_000,
    "x-max-length-bytes": 64 * 1024 * 1024,
}
"""A district that does not read its outcomes stops its own requests, and nobody else's."""
DEAD_LETTER_ARGUMENTS: Arguments = {
    "x-queue-type": "quorum",
    "x-overflow": "drop-head",
    "x-max-length": 1_000,
    "x-max-length-bytes": 64 * 1024 * 1024,
    "x-message-ttl": 24 * 60 * 60 * 1000,
}
"""What is dead may hold a text, so it goes within a day."""

USER_LIMITS: Mapping[str, int] = {"max-connections": 20, "max-channels": 60}
"""Of a district's user: several servers, each with one connection and three channels."""

_DISTRICT = re.compile(r"[a-z0-9-]{3,63}", re.ASCII)
NOTHING = "^$"
"""The permission pattern that matches no name."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A queue that takes what is sent to an exchange by a key."""

    exchange: str
    routing_key: str
    queue: str


@dataclass(frozen=True, slots=True)
class Permissions:
    """Regular expressions of the names that a user may configure, write to and read from."""

    configure: str
    write: str
    read: str


HUB_PERMISSIONS = Permissions(
    configure=NOTHING,
    write=r"^hub\.outcomes$",
    read=r"^(district\.[a-z0-9-]+\.(lane\.[0-9]+|withdrawals)|hub\.dead|hub\.districts)$",
)
"""Of a hub's user; it reads the dead letters' number only."""


@dataclass(frozen=True, slots=True)
class DistrictTopology:
    """The names of one district's part."""

    district: str

    def __post_init__(self) -> None:
        """Refuse, with ValueError, a name that could reach into another district's."""
        if not _DISTRICT.fullmatch(self.district):
            raise ValueError("a district's name is 3 to 63 of a-z, 0-9 and -")

    @property
    def user(self) -> str:
        """Return the user name that the district presents; with a client certificate, its CN."""
        return f"district.{self.district}"

    @property
    def exchange(self) -> str:
        """Return the direct, durable exchange that the district sends through."""
        return f"district.{self.district}"

    def request_queue(self, lane: int) -> str:
        """Return the queue of the requests of a lane, by its number in `domain/lanes.py`."""
        return f"district.{self.district}.lane.{lane}"

    @property
    def withdrawals_queue(self) -> str:
        """Return the queue of what the district takes back."""
        return f"district.{self.district}.withdrawals"

    @property
    def outcomes_queue(self) -> str:
        """Return the queue that what became of requests and withdrawals comes back on."""
        return f"district.{self.district}.outcomes"

    @property
    def queues(self) -> Mapping[str, Arguments]:
        """Return the arguments of every queue of the district, all durable."""
        return {
            **{self.request_queue(lane): REQUEST_ARGUMENTS for lane in Lane},
            self.withdrawals_queue: REQUEST_ARGUMENTS,
            self.outcomes_queue: OUTCOME_ARGUMENTS,
        }

    @property
    def bindings(self) -> Iterable[Binding]:
        """Yield what binds the queues of the district."""
        for lane in Lane:
            yield Binding(self.exchange, lane_key(lane), self.request_queue(lane))
        yield Binding(self.exchange, WITHDRAWALS_KEY, self.withdrawals_queue)
        yield Binding(OUTCOMES_EXCHANGE, self.district, self.outcomes_queue)

    @property
    def permissions(self) -> Permissions:
        """Return what the district's user may reach."""
        name = re.escape(self.district)
        return Permissions(
            configure=NOTHING,
            write=rf"^district\.{name}$",
            read=rf"^district\.{name}\.outcomes$",
        )


WITHDRAWALS_KEY = "withdrawals"
"""The routing key of a withdrawal, on the district's exchange."""


def lane_key(lane: int) -> str:
    """Return the routing key of a lane's requests, on the district's exchange."""
    return f"lane.{lane}"
