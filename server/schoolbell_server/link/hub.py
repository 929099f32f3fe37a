"""What the pipeline asks of a link, so that a server without one needs nothing of it installed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from schoolbell_server.background.stopping import Stop
from schoolbell_server.background.supervisor import Supervisor
from schoolbell_server.domain.kinds import DetailLevel
from schoolbell_storage.engine import Storage

if TYPE_CHECKING:
    from schoolbell_server.dispatch.outcomes import Outcomes
    from schoolbell_server.dispatch.preparer import Preparer


class Hub(Protocol):
    """A hub that sends in place of this server, at the other end of a link."""

    @property
    def most_detail(self) -> DetailLevel:
        """Return how much a push may say, whatever districts and users choose."""

    def attach(self, storage: Storage, outcomes: Outcomes, preparer: Preparer) -> None:
        """Take what outcomes are written by, and what judges what was passed on."""

    def run(self, supervisor: Supervisor, stop: Stop) -> list[asyncio.Task[None]]:
        """Start the work; return what has to be cancelled, once drained."""
