"""Whether storage is read and written, and publishers are answered: what health and status follow.

Three things are looked at: a read each second, the renewal of the server's lease, and what
publishers see. A lock that stops only the accepting transactions stops neither of the first two.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol

from schoolbell.v1 import status_pb2
from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.status.warnings import ActiveWarning
from schoolbell_storage import status_log
from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import StorageError

LONGEST_READ = 5.0  # seconds
LONGEST_ANSWER = 10.0  # seconds, to a publisher

_logger = get_logger(__name__)


class Renewed(Protocol):
    """The server's lease on life."""

    @property
    def sound(self) -> bool:
        """Return whether it is renewed in time."""


class Accepting(Protocol):
    """What publishers see."""

    @property
    def oldest_unanswered(self) -> float:
        """Return for how long the oldest submission has waited, in seconds; 0 if none does."""

    @property
    def failing(self) -> bool:
        """Return whether storage failed the last accepting transaction."""

    async def probe(self) -> None:
        """Take the locks of an accepting transaction and roll back; StorageError if it fails."""


class StorageHealth:
    """Looks at storage and remembers since when it does not answer."""

    def __init__(
        self, storage: Storage, metrics: Metrics, clock: Callable[[], dt.datetime]
    ) -> None:
        self._storage = storage
        metrics.storage_answers.set_function(lambda: not self._trouble())
        metrics.oldest_unanswered.set_function(self._oldest_unanswered)
        self._clock = clock
        self._readable = True
        self._lease: Renewed | None = None
        self._accepting: Accepting | None = None
        self._since: dt.datetime | None = None

    def follow(self, lease: Renewed, accepting: Accepting | None) -> None:
        """Take storage for writable as long as the lease is renewed and publishers are answered.

        A server that takes no calls has no publishers.
        """
        self._lease, self._accepting = lease, accepting

    @property
    def sound(self) -> bool:
        """Return whether storage answers, as far as is known now; whoever asks has it logged."""
        return not self._note()

    async def look(self) -> None:
        """Look once, and say so where something has changed."""
        self._readable = await self._read()
        self._note()

    async def probe(self) -> None:
        """Try, while accepting fails, whether it would succeed: publishers may have gone away."""
        if self._accepting is not None and self._accepting.failing:
            with suppress(StorageError):  # it is known already
                await self._accepting.probe()

    def warnings(self) -> Iterable[ActiveWarning]:
        """Yield what there is to say about it."""
        trouble = self._note()
        if trouble:
            answers = self._readable and (self._lease is None or self._lease.sound)
            if answers:
                seconds = str(round(self._oldest_unanswered()))
                yield ActiveWarning(
                    status_pb2.WARNING_CODE_ACCEPTANCE_BLOCKED,
                    trouble,
                    self._since,
                    metadata={"seconds": seconds},
                )
            else:
                code = status_pb2.WARNING_CODE_STORAGE_UNAVAILABLE
                yield ActiveWarning(code, trouble, self._since)

    def _oldest_unanswered(self) -> float:
        return 0.0 if self._accepting is None else self._accepting.oldest_unanswered

    def _trouble(self) -> str:
        """Return in a sentence what is wrong; '' if nothing is."""
        if not self._readable:
            return "Storage does not answer: nothing is accepted."
        if self._lease is not None and not self._lease.sound:
            return "Storage takes no writes: nothing is accepted."
        if self._accepting is None:
            return ""
        if self._accepting.failing:
            return "Storage refuses what publishers send: nothing is accepted."
        if self._oldest_unanswered() > LONGEST_ANSWER:
            return "Publishers wait for their answers: storage is blocked, or does not keep up."
        return ""

    def _note(self) -> str:
        """Remember since when there is trouble; return what it is."""
        trouble = self._trouble()
        if trouble and self._since is None:
            self._since = self._clock()
            _logger.warning("storage does not answer", extra={"cause": trouble})
        elif not trouble and self._since is not None:
            seconds = round((self._clock() - self._since).total_seconds(), 3)
            self._since = None
            _logger.info("storage answers again", extra={"seconds": seconds})
        return trouble

    async def _read(self) -> bool:
        try:
            async with asyncio.timeout(LONGEST_READ), self._storage.read() as connection:
                await status_log.position(connection)
        except (StorageError, TimeoutError):
            return False
        return True
