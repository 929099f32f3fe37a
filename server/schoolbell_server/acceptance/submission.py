"""What publishers hand to the acceptor, and what each change is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schoolbell_server.domain.change import Change
from schoolbell_server.rpc.errors import SchoolbellError


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A validated change with its normalised content."""

    change: Change
    content: bytes
    fingerprint: str
    foreign_currencies: Callable[[str], list[str]]
    """Returns the paths of the amounts that are not in a currency."""
    every_source: bool = True
    """Its publisher may see records of every source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The changes of one request, in the order in which they take effect."""

    district_id: str
    changes: Sequence[Submitted]
    key_id: str = ""
    """Of the API key that publishes."""
    single: bool = False
    """It is the whole of a call that publishes one change."""

    @property
    def lanes(self) -> set[int]:
        """Return the lanes that its changes leave by."""
        return {one.change.payload.lane for one in self.changes}


@dataclass(frozen=True, slots=True)
class Accepted:
    """Durable and decided."""

    resume_token: str
    delivery_count: int = 0


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Accepted before; nothing was written."""

    resume_token: str
    delivery_count: int = 0
    """What the first publication wrote; 0 where that is no longer kept."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It left no trace."""

    error: SchoolbellError


Answer = Accepted | Duplicate | Refused
