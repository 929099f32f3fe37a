"""The end of the status log, read once for all watchers of this server.

One task polls the store; watchers that keep up read the entries from memory, one that fell
behind reads the store itself. A slow watcher therefore costs nothing but its own delay.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from schoolbell_server.background.stopping import Stop
from schoolbell_server.observability.log import get_logger
from schoolbell_storage import status_log
from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import StorageUnavailable
from schoolbell_storage.status_log import LogEntry, LogPage, LogPosition, LogPruned

POLL_ALONE = 1.0  # seconds, where every writer says so
_KEPT = 16 * 1024 * 1024  # bytes of entries in memory
_READ = 200  # entries a read
_LOOK_AGAIN = 0.005  # seconds, where something waits for a transaction that is under way

_logger = get_logger(__name__)


class Tail:
    """Follows the log from the moment `start` is called."""

    def __init__(self, storage: Storage, poll: float) -> None:
        """`poll` is how often to look, in seconds, where other servers write too."""
        self._storage = storage
        self._entries: deque[LogEntry] = deque()
        self._bytes = 0
        self._poll = max(poll, POLL_ALONE) if storage.dialect == "sqlite" else poll
        self._forgotten = 0
        self._head = 0
        self._grown = asyncio.Condition()
        self._wake = asyncio.Event()
        self.watchers = 0
        """How many follow it at present."""

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count a watcher while the block runs."""
        self.watchers += 1
        try:
            yield
        finally:
            self.watchers -= 1

    async def start(self) -> None:
        """Read where the log stands."""
        self._head = self._forgotten = (await self.position()).value

    async def run(self, stop: Stop) -> None:
        """Follow the log until stopped; storage that fails is tried again."""
        stop.wakes(self._wake)
        while True:
            self._wake.clear()  # before the look: what comes during it is looked for again
            if stop.asked:
                return
            pause = self._poll
            try:
                while not (pause := await self._advance()):
                    pass
            except StorageUnavailable as error:
                _logger.warning("status log cannot be read", extra={"cause": str(error)})
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    def nudge(self) -> None:
        """Say that this server has just committed something."""
        self._wake.set()

    async def position(self) -> LogPosition:
        """Return where the log stands now."""
        async with self._storage.read() as connection:
            return await status_log.position(connection)

    @property
    def head(self) -> int:
        """Return up to which revision it has read."""
        return self._head

    async def wait_beyond(self, revision: int, timeout: float) -> bool:
        """Wait until the log reaches beyond a revision, at most `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout), self._grown:
                await self._grown.wait_for(lambda: self._head > revision)
        except TimeoutError:
            return False
        return True

    async def read_after(self, revision: int) -> Sequence[LogEntry]:
        """Return the next entries behind a revision, whole revisions, oldest first.

        Raises `LogPruned` where some of them are gone already.
        """
        if revision >= self._forgotten:
            return [entry for entry in self._entries if entry.revision > revision]
        return (await self._page(revision)).entries

    async def _page(self, after: int) -> LogPage:
        async with self._storage.read() as connection:
            return await status_log.read_after(connection, after, _READ, settled=self._head)

    async def _advance(self) -> float:
        """Remember what came; return in how many seconds to look again."""
        try:
            page = await self._page(self._head)
        except LogPruned:
            await self._begin_anew()
            return 0.0
        for entry in page.entries:
            self._remember(entry)
        if page.entries:
            async with self._grown:
                self._head = page.entries[-1].revision
                self._grown.notify_all()
        if len(page.entries) >= _READ:
            return 0.0
        return min(self._poll, _LOOK_AGAIN) if page.more else self._poll

    async def _begin_anew(self) -> None:
        """Follow on where the log begins now; watchers that are further back are told so."""
        self._entries.clear()
        self._bytes = 0
        self._head = self._forgotten = (await self.position()).pruned
        async with self._grown:
            self._grown.notify_all()

    def _remember(self, entry: LogEntry) -> None:
        self._entries.append(entry)
        self._bytes += len(entry.updates)
        while self._bytes > _KEPT and len(self._entries) > 1:
            oldest = self._entries.popleft()
            self._bytes -= len(oldest.updates)
            self._forgotten = oldest.revision
