"""Who is enrolled, read from the broker's stream as long as a connection lives.

A stream that cannot be read stops nobody's deliveries: the hub takes from whom it knows, and tries
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from pamqp.commands import Queue

from schoolbell_server.config.topology import DISTRICTS_STREAM
from schoolbell_server.link.broker import CONNECT_TIMEOUT, FAULTS, trouble_from
from schoolbell_server.link.consumers import on_cancelled, watch_consumers
from schoolbell_server.observability.log import get_logger

_ENTRIES = 100
"""Entries that are on their way at once."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0  # seconds between two tries
_LOOK = 0.2  # seconds
NOT_YET = "not read yet"

_logger = get_logger(__name__)


class EnrolledStream:
    """Reads the stream from its beginning, at every connection and after every fault."""

    def __init__(self, hear: Callable[[str], None], on_state: Callable[[], None]) -> None:
        """`hear` is told every entry, those that it knows too."""
        self._hear = hear
        self._on_state = on_state
        self.trouble = NOT_YET
        """Why the stream is not read; '' while it is."""
        self._entries = 0
        """Entries that came since it was begun to be read."""
        self._looked = -1
        """As many as there were when the broker was last asked how many it has."""

    async def follow(self, connection: AbstractConnection) -> None:
        """Read until the connection ends."""
        pause = _FIRST_PAUSE
        while not connection.is_closed:
            try:
                async with connection.channel() as channel:
                    ended = await self._begin(channel)
                    self._note("")
                    pause = _FIRST_PAUSE
                    await self._until(ended, channel)
                if connection.is_closed:
                    return  # told by who keeps it
                self._note("the broker ended it")
            except FAULTS as error:
                self._note(trouble_from(error).reason)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def lost(self) -> None:
        """Say that there is no connection to read from."""
        self.trouble = NOT_YET
        self._on_state()

    async def _begin(self, channel: AbstractChannel) -> asyncio.Event:
        """Begin to read; return what is set once the broker ends it, as when the stream is gone."""
        ended = asyncio.Event()
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await channel.set_qos(_ENTRIES)
            await on_cancelled(channel, ended.set)
            stream = await channel.get_queue(DISTRICTS_STREAM, ensure=False)
            self._entries, self._looked = 0, -1
            await stream.consume(self._take, arguments={"x-stream-offset": "first"})
        watch_consumers(channel, [DISTRICTS_STREAM], ended.set, wrong=self._is_behind)
        return ended

    def _is_behind(self, _: str, state: Queue.DeclareOk) -> bool:
        """Return whether nothing comes, though the stream does not end with what came last.

        Of a stream the broker counts no consumers, and its number of entries is seconds old.
        """
        before, self._looked = self._looked, self._entries
        return before == self._entries != state.message_count

    async def _until(self, ended: asyncio.Event, channel: AbstractChannel) -> None:
        waiting = asyncio.create_task(ended.wait())
        try:
            while not (channel.is_closed or waiting.done()):
                await asyncio.wait({waiting}, timeout=_LOOK)
        finally:
            waiting.cancel()

    async def _take(self, message: AbstractIncomingMessage) -> None:
        self._entries += 1
        self._hear(message.body.decode("utf-8", "replace"))
        try:
            await message.ack()
        except FAULTS:
            return  # the connection is gone, and the next one begins anew

    def _note(self, trouble: str) -> None:
        if trouble == self.trouble:
            return
        self.trouble = trouble
        self._on_state()
        if trouble:
            _logger.warning("enrolled districts cannot be read", extra={"cause": trouble})
        else:
            _logger.info("enrolled districts are read")
