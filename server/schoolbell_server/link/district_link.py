"""A district's end of the link: one connection, kept up, that publishes and hears outcomes.

Nothing is kept here that has to survive: what is published is in the database, and so is what
becomes of it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import DeliveryError

from schoolbell_server.config.broker import LinkConfig
from schoolbell_server.domain.lanes import Lane
from schoolbell_server.gateways.common.push import PushResult
from schoolbell_server.gateways.common.trouble import BrokerTrouble, LinkTrouble
from schoolbell_server.link.broker import (
    CONNECT_TIMEOUT,
    FAULTS,
    connect,
    is_blocked,
    messages_in,
    trouble_from,
)
from schoolbell_server.link.consumers import end_of_life, on_cancelled, watch_consumers
from schoolbell_server.link.wire import Answer, Malformed, read_outcomes
from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.metrics import Metrics

CONFIRM_TIMEOUT = 10.0  # seconds
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0  # seconds between two connections
_LOOK = 0.5  # seconds
_FULL_PAUSE = 1.0
"""Seconds until a queue that was full is tried again."""
_PREFETCH = 20
"""Messages of outcomes that are being written at once."""

_logger = get_logger(__name__)

Take = Callable[[Sequence[Answer]], Awaitable[None]]
"""Writes outcomes; returns once they are stored."""


class NotPassedOn(Exception):
    """The broker did not confirm a message."""

    def __init__(self, reason: str, *, doubtful: bool = False) -> None:
        """`doubtful`: the broker may have it all the same."""
        super().__init__(reason)
        self.doubtful = doubtful


class DistrictLink:
    """Publishes what a hub is to do, and hands over what it answers."""

    def __init__(
        self, config: LinkConfig, metrics: Metrics, *, clock: Callable[[], dt.datetime]
    ) -> None:
        self.config = config
        self.topology = config.topology
        self._metrics = metrics
        self._clock = clock
        self._channel: AbstractChannel | None = None
        self._connection: AbstractConnection | None = None
        self.trouble: BrokerTrouble | None = BrokerTrouble(
            LinkTrouble.CONNECTION_LOST, "not connected yet"
        )
        """What is wrong now; None where messages are taken."""
        self.since = clock()
        """Since when that is so."""
        self._tried = asyncio.Event()
        """A first connection has come up, or has not."""
        self._next_try = 0.0
        self._full_until = 0.0
        self._unheard = asyncio.Event()
        """Outcomes do not come, or one could not be acknowledged: a new connection has them."""
        self._waiting: dict[str, asyncio.Future[PushResult]] = {}

    @property
    def tried(self) -> bool:
        """Return whether it is known yet how the link stands."""
        return self._tried.is_set()

    @property
    def wait(self) -> dt.timedelta | None:
        """Return how long nothing is to be published, 0 where that is not known; None: now."""
        if self.trouble is None:
            return None
        until = max(self._next_try, self._full_until)
        return dt.timedelta(seconds=max(_LOOK / 5, until - time.monotonic()))

    async def run(self, take: Take) -> None:
        """Keep a connection up until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            try:
                connection = await connect(self.config)
            except BrokerTrouble as trouble:
                self._note(trouble)
            else:
                pause = _FIRST_PAUSE
                try:
                    await self._serve(connection, take)
                except (BrokerTrouble, *FAULTS) as error:
                    self._note(error if isinstance(error, BrokerTrouble) else trouble_from(error))
                finally:
                    self._channel = self._connection = None
                    await _close(connection)
            self._next_try = time.monotonic() + pause
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def publish(self, routing_key: str, body: bytes) -> None:
        """Return once the broker has made a message durable; NotPassedOn where it did not say so.

        The caller publishes again later; nothing is remembered here.
        """
        channel = self._channel
        if channel is None or self.trouble is not None:
            raise NotPassedOn("link down")
        message = Message(body, delivery_mode=DeliveryMode.PERSISTENT)
        try:
            exchange = await channel.get_exchange(self.topology.exchange, ensure=False)
            async with asyncio.timeout(CONFIRM_TIMEOUT):
                confirmation = await exchange.publish(message, routing_key)
        except DeliveryError:
            self._refused("the hub's queue for this district is full")
        except TimeoutError:
            self._refused("no confirmation in time", doubtful=True)
        except FAULTS as error:
            raise NotPassedOn(trouble_from(error).reason, doubtful=True) from None
        else:
            if getattr(confirmation, "delivery", None) is not None:
                self._refused("the broker has no queue for this district")

    def count_passed_on(self, count: int, *, confirmed: bool) -> None:
        """Count deliveries that were published."""
        self._metrics.link_passed_on.labels("CONFIRMED" if confirmed else "WAITS").inc(count)

    def expect(self, delivery_id: str) -> asyncio.Future[PushResult]:
        """Return what the result of a test notification will be set on, if it comes to us."""
        answer: asyncio.Future[PushResult] = asyncio.get_running_loop().create_future()
        self._waiting[delivery_id] = answer
        answer.add_done_callback(lambda _: self._waiting.pop(delivery_id, None))
        return answer

    async def probe(self) -> BrokerTrouble | None:
        """Ask the broker for our own queue, and return what is wrong."""
        try:
            await asyncio.wait_for(self._tried.wait(), CONNECT_TIMEOUT)
        except TimeoutError:
            return self.trouble
        connection = self._connection
        if connection is None:
            return self.trouble
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT), connection.channel() as channel:
                await channel.declare_queue(self.topology.outcomes_queue, passive=True)
        except FAULTS as error:
            self._note(trouble_from(error))
            await _close(connection)  # a peer that is gone without a word
        return self.trouble

    async def waiting(self) -> int | None:
        """Return how many of our messages wait for a hub; None where nobody says, or no hub is."""
        connection = self._connection
        if connection is None:
            return None
        count = 0
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT), connection.channel() as channel:
                for lane in Lane:
                    name = self.topology.request_queue(lane)
                    found = await channel.declare_queue(name, passive=True)
                    waiting = messages_in(found.declaration_result)
                    if waiting is None:
                        return None
                    count += waiting
        except FAULTS:
            return None
        return count

    async def _serve(self, connection: AbstractConnection, take: Take) -> None:
        """Work with one connection until it ends."""
        async with asyncio.timeout(CONFIRM_TIMEOUT):
            channel = await connection.channel()
        hearing, ends = await self._begin_hearing(connection, take), end_of_life()
        self._connection, self._channel = connection, channel
        while not (connection.is_closed or channel.is_closed or hearing.is_closed):
            if self._unheard.is_set():
                break
            if await is_blocked(connection):
                self._note(
                    BrokerTrouble(
                        LinkTrouble.FLOW_CONTROLLED, "the broker takes nothing at present"
                    )
                )
            elif time.monotonic() >= self._full_until:
                self._note(None)
                if time.monotonic() >= ends:  # what is being written comes again, and is known then
                    async with asyncio.timeout(CONFIRM_TIMEOUT):
                        await hearing.close()
                    hearing, ends = await self._begin_hearing(connection, take), end_of_life()
            await asyncio.sleep(_LOOK)
        raise BrokerTrouble(LinkTrouble.CONNECTION_LOST, "the connection was lost")

    async def _begin_hearing(self, connection: AbstractConnection, take: Take) -> AbstractChannel:
        """Take outcomes, on a channel of their own."""
        name, unheard = self.topology.outcomes_queue, asyncio.Event()
        async with asyncio.timeout(CONFIRM_TIMEOUT):
            channel = await connection.channel()
            await on_cancelled(channel, unheard.set)
            await channel.set_qos(_PREFETCH)
            queue = await channel.get_queue(name, ensure=False)
            await queue.consume(partial(self._hear, take, unheard))
        watch_consumers(channel, [name], unheard.set)
        self._unheard = unheard
        return channel

    async def _hear(
        self, take: Take, unheard: asyncio.Event, message: AbstractIncomingMessage
    ) -> None:
        try:
            answers = read_outcomes(message.body)
        except Malformed as error:
            self._metrics.link_outcomes.labels("MALFORMED").inc()
            _logger.error("outcomes of a hub cannot be read", extra={"cause": str(error)})
            answers = []
        for answer in answers:
            waiting = self._waiting.get(answer.result.delivery_id)
            if waiting is not None and not waiting.done():
                waiting.set_result(answer.result)
        # Unacknowledged, it comes again once we let go of the connection, or to another server.
        try:
            await take(answers)
        except Exception as error:
            _logger.error("outcomes not written", exc_info=error)
            unheard.set()
            return
        try:
            await message.ack()
        except FAULTS as error:
            _logger.info("outcomes not acknowledged", extra={"cause": type(error).__name__})
            unheard.set()

    def _refused(self, reason: str, *, doubtful: bool = False) -> None:
        self._full_until = time.monotonic() + _FULL_PAUSE
        self._note(BrokerTrouble(LinkTrouble.FLOW_CONTROLLED, reason))
        raise NotPassedOn(reason, doubtful=doubtful)

    def _note(self, trouble: BrokerTrouble | None) -> None:
        self._tried.set()
        before = self.trouble and (self.trouble.trouble, self.trouble.reason)
        now = trouble and (trouble.trouble, trouble.reason)
        self.trouble = trouble
        if before == now:
            return
        self.since = self._clock()
        if trouble is None:
            _logger.info("link up", extra={"state": "connected"})
        else:
            about = {"state": trouble.trouble.name, "provider_reason": trouble.reason}
            _logger.warning("link down", extra=about)


async def _close(connection: AbstractConnection) -> None:
    try:
        async with asyncio.timeout(CONFIRM_TIMEOUT):
            await connection.close()
    except FAULTS:
        pass  # it is gone
