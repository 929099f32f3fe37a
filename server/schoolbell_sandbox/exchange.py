"""What a gateway is asked and what it answers, whatever the HTTP version underneath."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from schoolbell_sandbox.effect import Effect, GoAway

Header = tuple[bytes, bytes]


@dataclass(slots=True, kw_only=True)
class Request:
    """One whole request."""

    method: bytes
    path: bytes
    headers: dict[bytes, bytes]
    """By lower-case name; the last one wins. Pseudo-headers are left out."""
    repeated_header: bool = False
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A status, headers and a body; an empty body ends with the headers."""

    status: int
    headers: tuple[Header, ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A reply and the fault, if any, that befalls it on the way."""

    reply: Reply
    effect: Effect | None = None


class Connection(Protocol):
    """What a session may ask of the connection it lives on."""

    def set_stream_limit(self, limit: int) -> None:
        """Announce how many requests may be open at once."""

    def go_away(self, goaway: GoAway, stream_id: int) -> None:
        """Announce the end of the connection."""


class Session(Protocol):
    """A gateway's side of one connection."""

    def handle(self, request: Request) -> Answer:
        """Answer one request."""


class SessionFactory(Protocol):
    """Makes the session of a new connection."""

    def __call__(self, connection: Connection, topics: tuple[str, ...]) -> Session:
        """Open a session; `topics` are those of the client's certificate, if it showed one."""
