"""What waits is counted again soon, also after a count that had to wait."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import asyncpg
import pytest

from schoolbell_server.background.stopping import Stop
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.status.backlog import INTERVAL, Backlog, rest_after
from schoolbell_storage.engine import open_storage
from tests.programs import PATIENCE
from tests.storage.engines import POSTGRESQL, SQLITE, database_url, open_database
from tests.storage.waiting import store
from tests.unit.domain.deliveries import waiting_delivery

_WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted"
BLOCKED = 4.0
"""Seconds for which the table is locked: twenty times as long is more than a test waits."""


def test_one_slow_count_has_waited_and_two_are_slow() -> None:
    assert rest_after(25.0, 0.01) == INTERVAL
    assert rest_after(0.01, 25.0) == INTERVAL
    assert rest_after(0.5, 0.4) == 8.0
    assert rest_after(25.0, 25.0) == 60.0, "never for ten minutes"


async def until_waiting(backlog: Backlog, count: int) -> None:
    async with asyncio.timeout(PATIENCE / 2):
        while backlog.waiting != count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.mark.postgresql
@pytest.mark.parametrize("timeout", [None, 1.0], ids=["waits", "fails"])
async def test_a_count_that_was_blocked_does_not_freeze_the_next(
    timeout: float | None, tmp_path: Path
) -> None:
    async with database_url(POSTGRESQL, tmp_path) as url:
        storage = open_storage(url, timeout=timeout)
        backlog = Backlog(storage, Metrics(), most=10, clock=lambda: dt.datetime.now(dt.UTC))
        stop = Stop()
        counting = asyncio.create_task(backlog.run(stop))
        await store(storage, waiting_delivery("before"))
        await until_waiting(backlog, 1)
        await _block(url)
        await store(storage, waiting_delivery("after"))
        await until_waiting(backlog, 2)
        stop.ask()
        await counting
        await storage.close()


async def _block(url: str) -> None:
    """Lock the deliveries until a count has waited for a while."""
    other = await asyncpg.connect(url.replace("postgresql+asyncpg", "postgresql"))
    async with other.transaction():
        await other.execute("LOCK TABLE delivery IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(PATIENCE):
            while not await other.fetchval(_WAITS):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await other.execute(f"SELECT pg_sleep({BLOCKED})")
    await other.close()


async def test_a_warning_of_the_backlog_begins_when_it_is_nearly_full(tmp_path: Path) -> None:
    now = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)
    async with open_database(SQLITE, tmp_path) as storage:
        backlog = Backlog(storage, Metrics(), most=2, clock=lambda: now)
        await backlog.count()
        assert list(backlog.warnings()) == []
        await store(storage, waiting_delivery("a"), waiting_delivery("b"))
        now += dt.timedelta(hours=1)
        await backlog.count()
        since = now
        now += dt.timedelta(hours=1)
        await backlog.count()
        (warning,) = backlog.warnings()
        assert warning.since == since
