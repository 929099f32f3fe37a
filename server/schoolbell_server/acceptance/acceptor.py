"""The one way in: every publish call, single, batch or stream, ends here.

An answer leaves after its change is durable and decided, and before any phone is involved.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.acceptance.parts import parts
from schoolbell_server.acceptance.submission import Answer, Submission
from schoolbell_server.acceptance.transaction import Acceptance, Written
from schoolbell_server.background.group_commit import GroupCommit
from schoolbell_server.dispatch.hand_off import Reservation
from schoolbell_server.domain.kinds import Gate, RefusalReason
from schoolbell_server.domain.lanes import Lane
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.status.backlog import Backlog
from schoolbell_server.status.rates import Rates
from schoolbell_storage.changes import CHANGES_TALLY
from schoolbell_storage.engine import FEW, Storage
from schoolbell_storage.errors import Conflict, StorageError

GROUP = 100
"""Changes in one transaction, at most: what comes next waits for it, also attendance."""
PART = 25
"""Changes in one transaction where several publishers come, and in a part of a larger request."""
_COME_BACK = dt.timedelta(seconds=2)
_LOOK_AGAIN = 0.1  # seconds
_URGENT = Lane.ATTENDANCE
"""A submission with a change of this lane does not wait behind a posting."""
_QUEUE = 20_000
"""Changes that may wait for their transaction, before publishers are told to come back."""


class Acceptor:
    """Takes submissions, commits them in groups, and hands their deliveries to the senders."""

    def __init__(
        self,
        storage: Storage,
        acceptance: Acceptance,
        reserve: Callable[[], Reservation],
        metrics: Metrics,
        backlog: Backlog,
        rates: Rates,
        *,
        clock: Callable[[], dt.datetime],
        most_backlog: int,
        on_written: Callable[[], None],
    ) -> None:
        """`reserve` for each transaction; call `on_written` after a commit wrote something."""
        self._storage = storage
        self._acceptance = acceptance
        self._reserve = reserve
        self._metrics = metrics
        self._backlog = backlog
        self._rates = rates
        self._failing = False
        self._clock = clock
        self._most_backlog = most_backlog
        self._on_written = on_written
        self._commits: GroupCommit[Submission, list[Answer]] = GroupCommit(
            self._commit, GROUP, PART
        )

    async def publish(self, submission: Submission) -> list[Answer]:
        """Return an answer to every change, once what was accepted is durable.

        Raises SchoolbellError (BACKLOG_FULL) where too much waits, StorageError where nothing is
        known of the outcome.
        """
        if self._is_full(submission.lanes):
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_BACKLOG_FULL,
                "too much waits already: come back later",
                retry_after=_COME_BACK,
            )
        return await self.take(submission)

    async def take(self, submission: Submission) -> list[Answer]:
        """Do what `publish` does for a stream, which waited for `room` instead."""
        enqueue = partial(
            self._commits.enqueue,
            urgent=_URGENT in submission.lanes,
            single=submission.single,
            share=(submission.district_id, submission.key_id),
        )
        # All at once: what is taken after it comes after it.
        answers = [enqueue(part, len(part.changes)) for part in parts(submission, PART)]
        return [one for part in await asyncio.shield(asyncio.gather(*answers)) for one in part]

    async def room(self, lanes: Collection[int]) -> None:
        """Wait while too much waits for these lanes: a stream is read no further meanwhile."""
        while self._is_full(lanes):  # noqa: ASYNC110 - other servers empty it too
            await asyncio.sleep(_LOOK_AGAIN)

    def _is_full(self, lanes: Collection[int]) -> bool:
        """Return whether too much waits that leaves before, or with, the first of these lanes.

        A posting that fills the backlog keeps no attendance out.
        """
        waiting = self._backlog.waiting_before(min(lanes, default=0) + 1)
        return waiting > self._most_backlog or self._commits.queued > _QUEUE

    @property
    def oldest_unanswered(self) -> float:
        """Return for how long the oldest submission has waited, in seconds; 0 if none does."""
        return self._commits.oldest

    @property
    def failing(self) -> bool:
        """Return whether storage failed the last accepting transaction, or probe."""
        return self._failing

    async def probe(self) -> None:
        """Take the locks of an accepting transaction and roll back; StorageError if it fails."""
        async with self._storage.write(keep=False) as connection:
            await self._acceptance.probe(connection, self._clock())
        self._failing = False

    async def run(self) -> None:
        """Commit until cancelled."""
        await self._commits.run()

    async def drained(self) -> None:
        """Wait until everything that was taken in is committed."""
        await self._commits.drained()

    async def _commit(self, submissions: Sequence[Submission]) -> Sequence[list[Answer]]:
        began = time.perf_counter()
        reservation = self._reserve()
        try:
            answers, written = await self._storage.transact(
                lambda connection: self._acceptance.accept(
                    connection, submissions, self._clock(), reservation.lease
                ),
                brief=sum(len(one.changes) for one in submissions) <= FEW,
            )
        except BaseException as error:
            reservation.settle()
            if isinstance(error, StorageError) and not isinstance(error, Conflict):
                self._failing = True
            raise
        self._failing = False
        reservation.settle(written.deliveries)
        self._count(written, time.perf_counter() - began)
        if written.changes:
            self._on_written()
        return answers

    def _count(self, written: Written, seconds: float) -> None:
        self._rates.changes.add(self._clock(), len(written.changes))
        self._metrics.commit_duration.observe(seconds)
        self._metrics.commit_changes.observe(len(written.changes))
        for (_, kind, gate, reason), count in written.tally.items():
            if gate == CHANGES_TALLY:
                self._metrics.changes.labels(kind.name, "ACCEPTED").inc(count)
            else:
                labels = (kind.name, Gate(gate).name, RefusalReason(reason).name)
                self._metrics.refusals.labels(*labels).inc(count)
