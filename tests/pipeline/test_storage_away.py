"""What is tried again until storage takes it says so each time, and gets there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from schoolbell_server.background import periodic
from schoolbell_server.background.stopping import Stop
from schoolbell_server.dispatch.batch_sender import BatchSender
from schoolbell_server.dispatch.quarantine import Quarantine
from schoolbell_server.domain.kinds import DeliveryState
from schoolbell_server.maintenance.log_emptying import run_log_emptying
from schoolbell_server.observability.metrics import Metrics
from schoolbell_storage.deliveries import fetch_deliveries
from schoolbell_storage.engine import Storage, open_storage, sqlite_url
from tests.pipeline.leased import leased
from tests.service.following import PATIENCE
from tests.service.observed import logged
from tests.storage.engines import databases
from tests.storage.rosters import START
from tests.storage.waiting import store
from tests.unit.domain.deliveries import waiting_delivery

PAUSE = 0.01  # seconds


@asynccontextmanager
async def _away(
    storage: Storage, log: pytest.LogCaptureFixture, message: str
) -> AsyncIterator[None]:
    """Let the deliveries be somewhere else until a message is in the log."""
    await _run(storage, "ALTER TABLE delivery RENAME TO delivery_away")
    yield
    async with asyncio.timeout(PATIENCE):
        while not logged(log, message):  # noqa: ASYNC110
            await asyncio.sleep(PAUSE)
    await _run(storage, "ALTER TABLE delivery_away RENAME TO delivery")


async def _run(storage: Storage, statement: str) -> None:
    async with storage.write() as connection:
        await connection.execute(text(statement))


@databases()
async def test_leases_are_given_back_and_ended_once_storage_is_there_again(
    database: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(periodic, "FAULT_PAUSE", PAUSE)
    unused: Any = None
    async with leased(database, tmp_path) as (storage, lease):
        names, mine = ["one", "two"], lease.instance_id
        await store(storage, *(waiting_delivery(name, lease_owner=mine) for name in names))
        async with storage.read() as connection:
            rows = await fetch_deliveries(connection, names)
        sender = BatchSender(storage, lease, unused, unused, unused, clock=lambda: START)
        quarantine = Quarantine(
            storage, Metrics(), owner=mine, clock=lambda: START, on_written=lambda: None
        )
        async with _away(storage, caplog, "leases not given back"):
            giving = asyncio.create_task(sender.give_back([rows["one"]]))
        await giving
        async with _away(storage, caplog, "deliveries not set aside"):
            ending = asyncio.create_task(quarantine.end(["two"], ValueError("broken")))
        await ending
        async with storage.read() as connection:
            rows = await fetch_deliveries(connection, names)
        assert {row.lease_owner for row in rows.values()} == {""}
        assert rows["one"].state is DeliveryState.PENDING
        assert rows["two"].state is DeliveryState.UNCERTAIN


async def test_a_log_that_cannot_be_emptied_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage, stop = open_storage(sqlite_url(tmp_path / "gone" / "schoolbell.db")), Stop()
    stop.ask()
    await run_log_emptying(storage, stop)
    assert logged(caplog, "log of the database not emptied")
    assert storage.erased.is_set(), "it is tried again"
    await storage.close()
