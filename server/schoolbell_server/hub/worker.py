"""Work on the messages of all districts: attempts, outcomes, and only then the acknowledgement."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence

from schoolbell_server.hub.attempts import Attempts
from schoolbell_server.hub.fair_queue import FairQueue
from schoolbell_server.hub.intake import Job, NotAnswered
from schoolbell_server.hub.metrics import HubMetrics
from schoolbell_server.link.broker import FAULTS
from schoolbell_server.link.v1 import link_pb2
from schoolbell_server.link.wire import Malformed
from schoolbell_server.observability.log import get_logger

_PAUSE, _LONGEST_PAUSE = 0.5, 10.0  # seconds until outcomes that were not taken are tried again

_logger = get_logger(__name__)


class Workers:
    """A number of workers that share one queue."""

    def __init__(
        self,
        queue: FairQueue[Job],
        attempts: Attempts,
        metrics: HubMetrics,
        *,
        count: int,
    ) -> None:
        self._queue = queue
        self._attempts = attempts
        self._metrics = metrics
        self._count = count
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._answering: set[asyncio.Task[None]] = set()
        self._draining = False

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._count):
                group.create_task(self._work())

    async def drain(self) -> None:
        """Begin nothing new, and wait for what is in work to be answered."""
        self._draining = True
        await self._idle.wait()
        while self._answering:
            await asyncio.wait(self._answering)

    async def _work(self) -> None:
        while True:
            district, lane, job = await self._queue.take()
            try:
                if self._draining or not job.intake.alive:
                    continue  # the broker gives it to another hub, or to this one again
                self._busy += 1
                self._idle.clear()
                try:
                    self._metrics.in_work.inc()
                    await self._job(job)
                finally:
                    self._metrics.in_work.dec()
                    self._busy -= 1
                    if not self._busy:
                        self._idle.set()
            except Exception as error:  # noqa: BLE001 - told there
                _give_up(job, error)
            finally:
                await self._queue.done(district, lane)

    async def _job(self, job: Job) -> None:
        try:
            if not await job.intake.settled(job):
                return  # it is in the queue again soon
        except FAULTS:
            job.intake.give_up()
            return
        began = time.monotonic()
        try:
            outcomes = await self._attempts.make(job.intake.district, job.batch)
        except Malformed as error:
            took = time.monotonic() - began
            self._finish(job, job.intake.bury(job.message, str(error), took))
        else:
            self._finish(job, self._answer(job, outcomes))

    def _finish(self, job: Job, work: Coroutine[object, object, None]) -> None:
        """Do what ends a job, however long it takes, beside the workers."""
        task = asyncio.create_task(self._finished(job, work))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _finished(self, job: Job, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - told there
            _give_up(job, error)
        finally:
            job.intake.finished()

    async def _answer(self, job: Job, outcomes: Sequence[link_pb2.Outcome]) -> None:
        """Answer, and let go of the message; the ledger has the outcomes, should it come again."""
        body, pause = link_pb2.Outcomes(outcomes=outcomes).SerializeToString(), _PAUSE
        while job.intake.alive:
            try:
                await job.intake.answer(body)
                await job.message.ack()
            except NotAnswered as error:
                about = {"district_id": job.intake.district, "cause": str(error)}
                _logger.warning("outcomes not taken", extra=about)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            except FAULTS:
                job.intake.give_up()
            else:
                self._metrics.messages.labels(job.intake.district, "ANSWERED").inc()
                waited = time.monotonic() - job.arrived
                self._metrics.wait.labels(str(job.lane)).observe(waited)
                return


def _give_up(job: Job, error: Exception) -> None:
    """Let a message come again that broke; the broker buries what comes too often."""
    about = {"district_id": job.intake.district}
    _logger.error("message broke", extra=about, exc_info=error)
    job.intake.give_up()
