"""What a hub takes from one district: its lanes and its withdrawals, on a channel of its own."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue

from schoolbell_server.background.periodic import until_stored
from schoolbell_server.config.topology import DistrictTopology
from schoolbell_server.domain.lanes import Lane
from schoolbell_server.hub.fair_queue import FairQueue
from schoolbell_server.hub.ledger_bound import LedgerBound
from schoolbell_server.hub.metrics import HubMetrics
from schoolbell_server.hub.withdrawal_turns import WithdrawalTurns
from schoolbell_server.link.broker import FAULTS, messages_in
from schoolbell_server.link.consumers import end_of_life, on_cancelled, watch_consumers
from schoolbell_server.link.v1 import link_pb2
from schoolbell_server.link.wire import (
    Malformed,
    expiry_of,
    read_batch,
    read_withdrawals,
    time_of,
)
from schoolbell_server.observability.log import get_logger
from schoolbell_server.rpc.authentication import utc_now
from schoolbell_storage import hub_ledger
from schoolbell_storage.engine import Storage
from schoolbell_storage.hub_ledger import Wanted

_WITHDRAWALS = 2
"""Messages of withdrawals of a district that a hub holds: one is written, one is next."""
_UNREADABLE = 0.1
"""Seconds that a message is kept which nobody can read, one after another of a district's, so that
a flood of them is a trickle."""
_REST = 4
"""It is kept for so many times as long as it took to find out, if that is longer."""
_LOOK = 0.01  # seconds
_LONGEST_SETTLING = 5.0  # seconds
_TIMEOUT = 10.0  # seconds until the broker answers

_logger = get_logger(__name__)


class NotAnswered(Exception):
    """The broker did not take outcomes; the message that they answer comes again."""


Answer = Callable[[str, bytes], Awaitable[None]]
"""Publishes outcomes for a district; NotAnswered where the broker does not take them."""


@dataclass(frozen=True, slots=True)
class Job:
    """A batch that waits to be worked on, and where it came from."""

    intake: Intake
    lane: int
    batch: link_pb2.Batch
    message: AbstractIncomingMessage
    arrived: float
    """By the monotonic clock."""
    settle_by: float = 0.0
    """Until when withdrawals are waited for, by the same clock; 0 where none were yet."""


class Intake:
    """Takes the messages of one district until its channel or connection ends."""

    def __init__(
        self,
        district: str,
        queue: FairQueue[Job],
        storage: Storage,
        metrics: HubMetrics,
        turns: WithdrawalTurns,
        bound: LedgerBound,
        *,
        answer: Answer,
        prefetch: int,
    ) -> None:
        self.district = district
        self._topology = DistrictTopology(district)
        self._queue = queue
        self._storage = storage
        self._metrics = metrics
        self._turns = turns
        self._bound = bound
        self._prefetch = prefetch
        self._answer = answer
        self._tags: list[tuple[AbstractQueue, str]] = []
        self._burying = asyncio.Lock()
        self._writing = 0
        """Messages of withdrawals that are being written."""
        self._withdrawals: AbstractQueue | None = None
        self._channel: AbstractChannel | None = None
        self._given_up = False
        self._paused = False
        self._ends = math.inf
        self._in_work = 0
        """Messages that were taken and not finished."""
        self._unsettled: list[Job] = []
        """What waits for withdrawals to be written, in its order."""
        self._settling: asyncio.Task[None] | None = None

    async def start(self, connection: AbstractConnection) -> None:
        """Begin to take; the withdrawals first, so that what waits of them goes before."""
        channel = self._channel = await connection.channel(publisher_confirms=False)
        await on_cancelled(channel, self.give_up)
        await channel.set_qos(_WITHDRAWALS)
        self._withdrawals = await channel.declare_queue(
            self._topology.withdrawals_queue, passive=True
        )
        await self._withdrawals.consume(self._withdraw)
        await channel.set_qos(self._prefetch)
        for lane in Lane:
            queue = await channel.get_queue(self._topology.request_queue(lane), ensure=False)
            self._tags.append((queue, await queue.consume(self._taking(lane))))
        taken = [self._withdrawals.name, *(queue.name for queue, _ in self._tags)]
        watch_consumers(channel, taken, self._lost)
        self._ends = end_of_life()

    @property
    def alive(self) -> bool:
        """Return whether messages come, or may come."""
        if self._given_up or self._channel is None:
            return False
        return not self._channel.is_closed

    @property
    def due(self) -> bool:
        """Return whether to begin anew, with nothing in work: it might be sent again otherwise."""
        return time.monotonic() >= self._ends and not self._in_work

    def finished(self) -> None:
        """Take note that a message is done with."""
        self._in_work -= 1

    def give_up(self) -> None:
        """Have the channel closed and begun anew: a message that is not acknowledged comes again.

        Whoever cannot say what became of a message calls it: it would stay with this hub otherwise.
        """
        self._given_up = True

    def _lost(self) -> None:
        if not self._paused:
            self.give_up()

    async def answer(self, body: bytes) -> None:
        """Publish outcomes for the district; NotAnswered where the broker does not take them."""
        await self._answer(self.district, body)

    async def pause(self) -> None:
        """Take no batch more; what is in work is still to be answered."""
        self._paused = True
        await asyncio.gather(
            *(queue.cancel(tag) for queue, tag in self._tags), return_exceptions=True
        )  # what fails is gone

    async def stop(self) -> None:
        """Take nothing more; what was not acknowledged goes back."""
        if self._settling is not None:
            self._settling.cancel()
        if self._channel is not None:
            try:
                async with asyncio.timeout(_TIMEOUT):
                    await self._channel.close()
            except FAULTS:
                return  # it is gone

    async def settled(self, job: Job) -> bool:
        """Return whether every withdrawal that the broker has by now is written.

        So what a district took back before a hub began an attempt is stopped. A job that has to
        wait keeps no worker from others: it comes back to the queue, before what came after it.
        Raises what the library raises where the channel is gone.
        """
        if job.settle_by and time.monotonic() >= job.settle_by:
            return True  # another hub has them, or there are too many to wait for
        if not self._unsettled and await self._all_written():
            return True
        by = job.settle_by or time.monotonic() + _LONGEST_SETTLING
        self._unsettled.append(replace(job, settle_by=by))
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._settle(), name="withdrawals settle")
        return False

    async def _settle(self) -> None:
        """Give back to the queue what waits, once all is written or the first has waited enough."""
        while self._unsettled:  # more may come while some is given back
            until = self._unsettled[0].settle_by
            try:
                while not await self._all_written():
                    if time.monotonic() >= until:
                        break
                    await asyncio.sleep(_LOOK)
            except FAULTS:
                self.give_up()  # all of it comes again
            except Exception as error:
                about = {"district_id": self.district}
                _logger.error("withdrawals broke", extra=about, exc_info=error)
                self.give_up()
            jobs, self._unsettled = self._unsettled, []
            for job in reversed(jobs):
                await self._queue.put(self.district, job.lane, job, first=True)

    async def _all_written(self) -> bool:
        if self._withdrawals is None or self._channel is None:
            return True
        async with asyncio.timeout(_TIMEOUT):
            found = await self._channel.declare_queue(
                self._topology.withdrawals_queue, passive=True
            )
        # We are a consumer ourselves: without one the answer is not the queue's own.
        return messages_in(found.declaration_result) == 0 and not self._writing

    def _taking(self, lane: int) -> Callable[[AbstractIncomingMessage], Awaitable[None]]:
        async def take(message: AbstractIncomingMessage) -> None:
            began = time.monotonic()
            try:
                batch = read_batch(message.body)
            except Malformed as error:
                await self.bury(message, str(error), time.monotonic() - began)
                return
            self._in_work += 1
            job = Job(self, lane, batch, message, time.monotonic())
            await self._queue.put(self.district, lane, job)

        return take

    async def _withdraw(self, message: AbstractIncomingMessage) -> None:
        self._writing += 1
        try:
            async with self._turns.of(self.district):
                await self._write(message.body)
            self._metrics.messages.labels(self.district, "WITHDRAWALS").inc()
            await message.ack()
        except Malformed as error:
            await self.bury(message, str(error))
        except FAULTS:
            self.give_up()  # it comes again, and is written again
        except Exception as error:
            about = {"district_id": self.district}
            _logger.error("withdrawals broke", extra=about, exc_info=error)
            self.give_up()
        finally:
            self._writing -= 1

    async def _write(self, body: bytes) -> None:
        """Write what is withdrawn; Malformed where it cannot be read."""
        now = utc_now()
        withdrawals = {
            one.delivery_id: Wanted(time_of(one.judge_time), expiry_of(one.expire_time, now))
            for one in read_withdrawals(body)
        }

        async def write() -> None:
            async with self._storage.write() as connection:
                await hub_ledger.withdraw(connection, self.district, withdrawals)

        await until_stored(write, "withdrawals not written", count=len(withdrawals))
        self._bound.count(self.district, len(withdrawals))

    async def bury(self, message: AbstractIncomingMessage, cause: str, took: float = 0.0) -> None:
        """Let the broker put a message that nobody can read where people look at it.

        `took` are the seconds of reading it, which waited for no turn: a fifth of a hub's time is
        the most that a district has with such messages, whatever their size and number.
        """
        async with self._burying:
            self._metrics.messages.labels(self.district, "POISON").inc()
            about = {"district_id": self.district, "cause": cause}
            _logger.error("message cannot be read: it goes to the dead letters", extra=about)
            await asyncio.sleep(rest(took))
            try:
                await message.reject(requeue=False)
            except FAULTS:
                self.give_up()  # it comes again, and is buried again


def rest(took: float) -> float:
    """Return for how many seconds a message is kept that took so many to be found unreadable."""
    return max(_UNREADABLE, _REST * took)
