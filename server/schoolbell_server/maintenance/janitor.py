"""Drop what is older than it is kept, in steps too small to stop anybody.

Every step is a transaction of its own of at most `retention.batch_size` rows, and the janitor rests
four times as long as it took. Nothing remembers how far a round came: what is left is found again
by its age, whichever server looks.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.background.stopping import Stop
from schoolbell_server.config import RetentionConfig
from schoolbell_server.domain.kinds import Kind
from schoolbell_server.domain.retention import AUDIT_RETENTION, Retention, first_day_kept, key_life
from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.security.api_key import EVERY_DISTRICT
from schoolbell_storage import instances, retention, status_log
from schoolbell_storage.district_removal import deleted_districts, drop_records
from schoolbell_storage.districts import (
    get_district,
    list_districts,
    read_settings,
)
from schoolbell_storage.engine import Storage
from schoolbell_storage.notification_requests import forget_requests
from schoolbell_storage.retention import Aged

_REST = 4.0  # times as long as a step took
_SILENT_IMPORT = dt.timedelta(days=1)
_DELETED = dt.timedelta(days=2)
"""How long after a district was deleted its records are looked for."""
_DEAD_INSTANCE = dt.timedelta(days=1)
_PAGE = 1000  # districts
_STAGES = 20  # staged batches of an import at once: each holds up to a thousand records

_logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Chore:
    """One sort of record of one district."""

    record: str
    district_id: str
    aged: Aged


class Janitor:
    """Makes a round at intervals."""

    def __init__(
        self,
        storage: Storage,
        config: RetentionConfig,
        metrics: Metrics,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._storage = storage
        self._config = config
        self._metrics = metrics
        self._clock = clock
        metrics.janitor_round.set(clock().timestamp())

    async def work(self, stop: Stop) -> None:
        """Make a round, and have the database's log emptied of what it dropped."""
        if await self.round(stop):
            self._storage.erased.set()

    async def round(self, stop: Stop) -> Counter[str]:
        """Drop everything that is due now; return how many records of each sort."""
        began, now = time.monotonic(), self._clock()
        dropped: Counter[str] = Counter()
        async for district_id in self._district_ids():
            if stop.asked:
                break
            for chore in await self._chores(district_id, now):
                await self._do(chore, stop, dropped)
        await self._tidy_store(now, stop, dropped)
        if not stop.asked:
            self._metrics.janitor_round.set(now.timestamp())
        _logger.info(
            "round of the janitor",
            extra={
                "records": dropped.total(),
                "changes": dropped["change"],
                "deliveries": dropped["delivery"],
                "seconds": round(time.monotonic() - began, 3),
            },
        )
        return dropped

    async def _district_ids(self) -> AsyncIterator[str]:
        after = ""
        while True:
            async with self._storage.read() as connection:
                page = await list_districts(connection, after, _PAGE)
            for row in page:
                yield row.district_id
            if len(page) < _PAGE:
                break
            after = page[-1].district_id
        yield EVERY_DISTRICT  # whose audit log is that of the keys for all districts

    async def _chores(self, district_id: str, now: dt.datetime) -> list[_Chore]:
        """Return what a district drops, in the order in which it may go."""
        async with self._storage.read() as connection:
            settings = await read_settings(connection, district_id)
            kept = Retention() if settings is None else settings.document.retention
            known = await get_district(connection, district_id)
            audit = AUDIT_RETENTION if known is None else known.audit_retention
            ends = await retention.year_ends(connection, district_id)
        return [
            _Chore(record, district_id, aged)
            for record, aged in _aged(kept, audit, ends, self._config, now)
        ]

    async def _do(self, chore: _Chore, stop: Stop, dropped: Counter[str]) -> None:
        """Drop what is due of one sort; where nothing is, nobody's write waits for the look."""
        async with self._storage.read() as connection:
            if not await retention.is_due(connection, chore.aged, chore.district_id):
                return
        since: int | str | None = None

        async def step(connection: AsyncConnection) -> int:
            nonlocal since
            gone = await retention.drop_aged(
                connection,
                chore.aged,
                chore.district_id,
                since=since,
                most=self._config.batch_size,
            )
            since = gone.last if gone.last is not None else since
            return gone.rows

        await self._repeat(chore.record, step, self._config.batch_size, stop, dropped)

    async def _tidy_store(self, now: dt.datetime, stop: Stop, dropped: Counter[str]) -> None:
        """Drop what belongs to no district, or to all of them at once."""
        most, before = self._config.batch_size, now - self._config.status_log

        async def silent(connection: AsyncConnection) -> int:
            return await retention.give_up_imports(connection, now - _SILENT_IMPORT, now)

        await self._step(silent)
        async with self._storage.read() as connection:
            deleted = await deleted_districts(connection, now - _DELETED)
        for district_id in deleted:  # what a server left behind, or wrote at that very moment
            drop = partial(drop_records, district_id=district_id, most=most)
            await self._repeat("district", drop, 1, stop, dropped)
        for record, step, size in (
            ("status_log", lambda one: status_log.prune(one, before, most), most),
            ("test_notification", lambda one: forget_requests(one, now, most), most),
            ("roster_stage", lambda one: retention.drop_stages(one, _STAGES), _STAGES),
            ("server_instance", lambda one: instances.forget_dead(one, _DEAD_INSTANCE), most),
        ):
            await self._repeat(record, step, size, stop, dropped)

    async def _repeat(
        self,
        record: str,
        step: Callable[[AsyncConnection], Awaitable[int]],
        size: int,
        stop: Stop,
        dropped: Counter[str],
    ) -> None:
        """Take steps until one finds less than it may take."""
        rows = size
        while rows >= size and not stop.asked:
            began = time.monotonic()
            rows = await self._step(step)
            dropped[record] += rows
            self._metrics.dropped.labels(record).inc(rows)
            await stop.pause((time.monotonic() - began) * _REST)

    async def _step(self, step: Callable[[AsyncConnection], Awaitable[int]]) -> int:
        with self._metrics.janitor_step.time():
            async with self._storage.write() as connection:
                return await step(connection)


def _aged(
    kept: Retention,
    audit: dt.timedelta,
    year_ends: list[dt.date],
    config: RetentionConfig,
    now: dt.datetime,
) -> Iterator[tuple[str, Aged]]:
    """Yield what a district drops: deliveries before their change, a change before its key."""
    yield "delivery", retention.deliveries(now - kept.deliveries, now)
    yield "change", retention.changes(now - kept.changes, now)
    yield "change_key", retention.change_keys(now - key_life(kept.changes))
    for kind in Kind:
        first = first_day_kept(kind, now.date(), year_ends)
        if first is not None:
            yield "fact", retention.facts(kind, first)
    yield "refusal_tally", retention.tallies((now - kept.changes).date())
    yield "audit_entry", retention.audit_entries(now - audit)
    yield "roster_import", retention.imports(now - config.imports)
