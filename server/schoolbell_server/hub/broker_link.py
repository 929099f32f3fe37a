"""A hub's connections to the broker: kept up, with the intakes of all districts on them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import DeliveryError

from schoolbell_server.config.broker import BrokerConfig
from schoolbell_server.config.topology import DEAD_LETTER_QUEUE, OUTCOMES_EXCHANGE
from schoolbell_server.gateways.common.trouble import BrokerTrouble
from schoolbell_server.hub.enrolled_stream import EnrolledStream
from schoolbell_server.hub.intake import Intake, NotAnswered
from schoolbell_server.link.broker import CONNECT_TIMEOUT, FAULTS, connect, trouble_from
from schoolbell_server.observability.log import get_logger

CONFIRM_TIMEOUT = 10.0  # seconds
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0  # seconds between two connections
_LOOK = 0.2  # seconds
_START_PAUSE = 1.0
"""Seconds until an intake that did not start is tried again."""
_STARTS = 20
"""Intakes that are started at once: one whose queues are silent keeps few others waiting."""

_logger = get_logger(__name__)


class BrokerLink:
    """One connection for the intakes that it is given, and for the outcomes of their districts."""

    def __init__(
        self,
        config: BrokerConfig,
        make_intake: Callable[[str, BrokerLink], Intake],
        on_state: Callable[[], None],
        stream: EnrolledStream | None,
    ) -> None:
        """`stream` is read at every connection."""
        self._config = config
        self._make_intake = make_intake
        self._on_state = on_state
        self._stream = stream
        self.districts: set[str] = set()
        """What to take from; the owner changes it."""
        self._intakes: dict[str, Intake] = {}
        self._renewed: set[str] = set()
        """Whose intakes are begun anew just now."""
        self._later: dict[str, float] = {}
        """Districts that could not be taken from, and when they are tried again."""
        self._answers: AbstractChannel | None = None
        self._stopped = False
        self.connected = False

    async def run(self) -> None:
        """Keep a connection up until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            try:
                connection = await connect(self._config)
            except BrokerTrouble as trouble:
                self._tell(trouble)
            else:
                try:
                    await self._serve(connection)
                except FAULTS as error:
                    self._tell(trouble_from(error))
                finally:
                    self._lose()
                    await _close(connection)
                pause = _FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def answer(self, district: str, body: bytes) -> None:
        """Return once outcomes are durable in a district's queue; NotAnswered if they are not."""
        channel = self._answers
        if channel is None:
            raise NotAnswered("no connection")
        message = Message(body, delivery_mode=DeliveryMode.PERSISTENT)
        try:
            exchange = await channel.get_exchange(OUTCOMES_EXCHANGE, ensure=False)
            async with asyncio.timeout(CONFIRM_TIMEOUT):
                await exchange.publish(message, district)
        except DeliveryError:
            raise NotAnswered("the district does not read its outcomes") from None
        except FAULTS as error:
            raise NotAnswered(trouble_from(error).reason) from None

    @property
    def untaken(self) -> int:
        """Return from how many districts nothing is taken that there is to be taken from."""
        return sum(self._is_over(name) for name in self.districts - self._renewed)

    async def stop(self) -> None:
        """Take nothing more, and keep the connection for what is still to be answered."""
        self._stopped = True
        await asyncio.gather(*(intake.pause() for intake in self._intakes.values()))

    async def count_dead(self) -> int | None:
        """Return how many dead letters there are; None where nobody says."""
        channel = self._answers
        if channel is None:
            return None
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT):
                found = await channel.declare_queue(DEAD_LETTER_QUEUE, passive=True)
        except FAULTS:
            return None
        return found.declaration_result.message_count or 0

    async def _serve(self, connection: AbstractConnection) -> None:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            self._answers = await connection.channel()
        self.connected = True
        self._on_state()
        _logger.info("broker reached", extra={"state": "connected"})
        # Beside everything else: who cannot be heard of keeps nobody waiting who is known.
        reading = asyncio.create_task(self._read_stream(connection))
        try:
            while not connection.is_closed:
                if reading.done():
                    await reading  # a fault of ours ends this connection
                if self._answers.is_closed:
                    self._answers = await connection.channel()
                if not self._stopped:
                    await self._match(connection)
                await asyncio.sleep(_LOOK)
        finally:
            reading.cancel()
            await asyncio.wait({reading})

    async def _read_stream(self, connection: AbstractConnection) -> None:
        if self._stream is not None:
            await self._stream.follow(connection)

    async def _match(self, connection: AbstractConnection) -> None:
        """Let the intakes be those of the districts that there are to be."""
        self._renewed = {name for name, intake in self._intakes.items() if intake.due}
        ended = {name for name in self._intakes if self._is_over(name)} | self._renewed
        over = [self._intakes.pop(name) for name in ended]
        await asyncio.gather(*(intake.stop() for intake in over))
        now = time.monotonic()
        self._later = {name: end for name, end in self._later.items() if end > now}
        wanted = sorted(self.districts - self._intakes.keys() - self._later.keys())
        turns = asyncio.Semaphore(_STARTS)

        async def start(district: str) -> None:
            async with turns:
                if not (self._stopped or connection.is_closed):
                    await self._start(district, connection)

        await asyncio.gather(*(start(district) for district in wanted))
        self._renewed = set()

    async def _start(self, district: str, connection: AbstractConnection) -> None:
        """Begin to take from a district."""
        intake = self._make_intake(district, self)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await intake.start(connection)
        except FAULTS as error:
            # Enrolled, and its queues are gone or not there yet: the next look tries again.
            about = {"district_id": district, "cause": trouble_from(error).reason}
            _logger.warning("nothing is taken from a district", extra=about)
            self._later[district] = time.monotonic() + _START_PAUSE
            await intake.stop()
            return
        self._intakes[district] = intake
        if self._stopped:
            await intake.pause()

    def _is_over(self, district: str) -> bool:
        intake = self._intakes.get(district)
        return district not in self.districts or intake is None or not intake.alive

    def _lose(self) -> None:
        self._answers, self.connected = None, False
        self._intakes.clear()
        self._later.clear()
        if self._stream is not None:
            self._stream.lost()
        self._on_state()

    def _tell(self, trouble: BrokerTrouble) -> None:
        about = {"state": trouble.trouble.name, "cause": trouble.reason}
        _logger.warning("broker not reached", extra=about)


async def _close(connection: AbstractConnection) -> None:
    try:
        async with asyncio.timeout(CONFIRM_TIMEOUT):
            await connection.close()
    except FAULTS:
        return  # it is gone
