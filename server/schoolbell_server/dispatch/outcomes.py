"""Write what became of attempts, in groups: states, dead tokens, the status log.

An outcome is written only where this server still holds the delivery's lease; one that a hub
answers, where its attempt is still open.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.background.group_commit import GroupCommit
from schoolbell_server.background.periodic import until_stored
from schoolbell_server.dispatch.acceptances import Acceptances
from schoolbell_server.dispatch.finished import Finished
from schoolbell_server.dispatch.quarantine import Quarantine
from schoolbell_server.domain.delivery import Attempt, Delivery
from schoolbell_server.domain.kinds import (
    APP_PROVIDER,
    CancelCause,
    DeliveryState,
    Kind,
    Outcome,
    Platform,
)
from schoolbell_server.domain.retry import RetryPolicy, Trouble, pause
from schoolbell_server.domain.transitions import (
    Attempted,
    Cancellation,
    after_attempt,
    expire,
    hold,
    stop,
)
from schoolbell_server.gateways.common.push import PushResult
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.status import journal
from schoolbell_server.status.rates import Rates
from schoolbell_storage import deliveries as delivery_store
from schoolbell_storage.claims import HUB, RowVersion, lock_leased, lock_open, pass_on
from schoolbell_storage.devices import DeadToken, retire_dead
from schoolbell_storage.districts import bump_facts
from schoolbell_storage.engine import FEW, Storage

_OVER = frozenset({DeliveryState.EXPIRED, DeliveryState.UNCERTAIN})
"""How a delivery ended that a hub did not answer in its time."""
_GROUP = 100
"""Outcomes in one transaction, at most, unless one batch brings more."""


class Outcomes:
    """Collects the ends of attempts and commits them together."""

    def __init__(
        self,
        storage: Storage,
        metrics: Metrics,
        rates: Rates,
        *,
        quarantine: Quarantine,
        owner: str,
        budget: int,
        policy: RetryPolicy,
        clock: Callable[[], dt.datetime],
        on_written: Callable[[Iterable[Delivery]], None],
        most: int,
    ) -> None:
        self._storage = storage
        self._metrics = metrics
        self._rates = rates
        self._quarantine = quarantine
        self._owner = owner
        self._budget = budget
        self._policy = policy
        self._clock = clock
        self._on_written = on_written
        self._commits: GroupCommit[Sequence[Finished], None] = GroupCommit(
            self._commit, min(most, _GROUP)
        )

    async def run(self) -> None:
        """Commit until cancelled."""
        await self._commits.run()

    async def write(self, finished: Sequence[Finished]) -> None:
        """Return once the outcomes are stored; a storage that fails is tried again for ever.

        An answer of a provider that is not stored would be asked for again. An outcome that
        cannot be written for a reason of its own is set aside alone.
        """
        if not finished:
            return
        try:
            await until_stored(
                lambda: self._commits.submit(finished, len(finished)),
                "outcomes not written",
                count=len(finished),
            )
        except Exception as error:  # noqa: BLE001 - told by whoever sets it aside
            if len(finished) == 1:
                owner = None if finished[0].answered is None else HUB
                await self._quarantine.end([finished[0].row.delivery_id], error, owner=owner)
                return
            for one in finished:
                await self.write([one])

    async def _commit(self, groups: Sequence[Sequence[Finished]]) -> Sequence[None]:
        everything = [one for group in groups for one in group]
        finished = {one.row.delivery_id: one for one in everything if not one.passed_on}

        async def store(connection: AsyncConnection) -> list[Delivery]:
            await pass_on(connection, self._owner, _passed_on(everything))
            return await self._store(connection, finished)

        changed = await self._storage.transact(store, brief=len(everything) <= FEW)
        self._count(finished, changed)
        self._on_written(changed)
        return [None] * len(groups)

    async def _store(
        self, connection: AsyncConnection, finished: dict[str, Finished]
    ) -> list[Delivery]:
        now = self._clock()
        districts = await retire_dead(connection, _dead_tokens(finished), now)
        rows = await self._lock(connection, finished)
        accepted, changed = self._sorted(rows, finished, now)
        await delivery_store.store_accepted(connection, accepted)
        await delivery_store.store_deliveries(connection, changed)
        changed = [*accepted, *changed]
        for row in changed:
            finished[row.delivery_id].written_at.append(now)
        for district_id in sorted(districts):
            await bump_facts(connection, district_id)
        await journal.record(connection, now, changed)
        return changed

    async def _lock(
        self, connection: AsyncConnection, finished: dict[str, Finished]
    ) -> list[Delivery]:
        """Lock what this server still leases; what a receipt or a cancel changed is read again."""
        answered = {
            name: one.answered for name, one in finished.items() if one.answered is not None
        }
        versions = await lock_leased(connection, self._owner, finished.keys() - answered.keys())
        if answered:
            versions |= await lock_open(connection, answered)
        moved = [
            name
            for name, version in versions.items()
            if version != RowVersion(finished[name].row.revision, finished[name].row.answer_lost)
        ]
        known = await delivery_store.fetch_deliveries(connection, moved)
        rows = [known.get(name) or finished[name].row for name in versions]
        return [row for row in rows if not _is_written(row, finished[row.delivery_id])]

    def _sorted(
        self, rows: Sequence[Delivery], finished: dict[str, Finished], now: dt.datetime
    ) -> tuple[list[Delivery], list[Delivery]]:
        """Return how deliveries stand now: the plain acceptances, and all others."""
        acceptances, accepted, others = Acceptances(now), [], []
        for row in rows:
            end = finished[row.delivery_id]
            plain = acceptances.row(row, end)
            if plain is not None:
                accepted.append(plain)
            else:
                others.append(self._ended(row, end, now))
        return accepted, others

    def _ended(self, row: Delivery, end: Finished, now: dt.datetime) -> Delivery:
        if end.refusal is not None:
            why = Cancellation(cause=CancelCause.GATE, refusal=end.refusal)
            return stop(row, why, now)
        if end.result is None:
            return expire(row, now)
        if end.result.held:
            due_time = now + (end.result.retry_after or dt.timedelta(0))
            return hold(row, due_time, now, doubtful=end.result.doubtful)
        if end.answered and row.state in _OVER:
            row = _revived(row, end.result)
        return self._attempted(row, end, end.result, now)

    def _attempted(
        self, row: Delivery, end: Finished, result: PushResult, now: dt.datetime
    ) -> Delivery:
        trouble = Trouble(
            provider=APP_PROVIDER[row.platform],
            outcome=result.outcome,
            reason=result.provider_reason,
            attempts=row.attempt_count + 1 - row.budget_start,
            retry_after=result.retry_after,
        )
        wait = pause(trouble, self._policy, random.random())
        attempted = Attempted(
            attempt=Attempt(
                start_time=end.start_time or now,
                end_time=end.end_time or now,
                outcome=result.outcome,
                provider_reason=result.provider_reason,
            ),
            retry_time=now + wait,
            budget=self._budget,
            trial=result.trial,
            provider_message_id=result.provider_message_id,
        )
        return after_attempt(row, attempted, now)

    def _count(self, finished: dict[str, Finished], changed: Sequence[Delivery]) -> None:
        now = self._clock()
        results = [end.result for end in finished.values() if end.result is not None]
        tried = [result.outcome for result in results if not result.held]
        self._rates.attempts.add(now, len(tried))
        self._rates.accepted.add(now, tried.count(Outcome.ACCEPTED))
        counts: Counter[tuple[str, Platform, Outcome]] = Counter()
        took: dict[tuple[str, Platform], list[float]] = defaultdict(list)
        waits: dict[Kind, list[float]] = defaultdict(list)
        for row in changed:
            end = finished[row.delivery_id]
            if end.result is None or end.result.held:
                continue
            counts[row.app_id, row.platform, end.result.outcome] += 1
            if end.result.seconds is not None:
                took[row.app_id, row.platform].append(end.result.seconds)
            if end.result.outcome is Outcome.ACCEPTED and end.end_time is not None:
                waits[row.kind].append((end.end_time - row.create_time).total_seconds())
        self._tell(counts, took, waits)

    def _tell(
        self,
        counts: Mapping[tuple[str, Platform, Outcome], int],
        took: Mapping[tuple[str, Platform], Sequence[float]],
        waits: Mapping[Kind, Sequence[float]],
    ) -> None:
        """Hand a transaction's counts and seconds to the metrics, which are looked up once each."""
        for (app_id, platform, outcome), count in counts.items():
            provider = APP_PROVIDER[platform].name
            self._metrics.attempts.labels(app_id, provider, outcome.name).inc(count)
        for (app_id, platform), seconds in took.items():
            duration = self._metrics.attempt_duration.labels(app_id, APP_PROVIDER[platform].name)
            for one in seconds:
                duration.observe(one)
        for kind, seconds in waits.items():
            waited = self._metrics.change_to_provider.labels(kind.name)
            for one in seconds:
                waited.observe(one)


def _is_written(row: Delivery, end: Finished) -> bool:
    """Return whether this end is in the row: of a commit whose answer was lost.

    The server may have leased the delivery anew meanwhile, which changes neither sign.
    """
    if row.revision > end.row.revision and row.update_time in end.written_at:
        return True
    return end.start_time is not None and any(
        tried.start_time == end.start_time for tried in row.attempts
    )


def _passed_on(finished: Sequence[Finished]) -> Mapping[int, list[str]]:
    """Return what a hub took, by how many attempts there were before."""
    passed: dict[int, list[str]] = defaultdict(list)
    for one in finished:
        if one.passed_on:
            passed[one.row.attempt_count].append(one.row.delivery_id)
    return passed


def _revived(row: Delivery, result: PushResult) -> Delivery:
    """Return what ended without an answer as it was, where the answer is that it was accepted."""
    accepted = result.outcome is Outcome.ACCEPTED
    return replace(row, state=DeliveryState.PENDING) if accepted else row


def _dead_tokens(finished: dict[str, Finished]) -> list[DeadToken]:
    """Return the tokens that their provider says are dead, each since when.

    Without the provider's own time, a token that was registered after the attempt began lives.
    """
    return [
        DeadToken(
            app_id=end.row.app_id,
            address_hash=end.address_hash,
            dead_since=end.result.token_dead_since or end.start_time,
        )
        for end in finished.values()
        if end.result is not None
        and end.address_hash
        and end.start_time is not None
        and end.result.outcome is Outcome.TOKEN_DEAD
    ]
