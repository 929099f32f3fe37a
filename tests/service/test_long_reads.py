"""Long reads let everybody else go on: in slices, few at a time, dry runs one after the other."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import settings_service_pb2
from schoolbell_server.acceptance.dry_run import DryRunner
from schoolbell_server.acceptance.submission import Submission
from schoolbell_server.acceptance.transaction import Acceptance, Written
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.security.api_key import Role
from schoolbell_storage import pacing
from schoolbell_storage.changes import ChangeQuery, list_changes
from schoolbell_storage.delivery_queries import DeliveryQuery, list_deliveries
from tests.service.middleware_server import DISTRICT, running
from tests.storage.aged import Old, write_changes
from tests.storage.engines import SQLITE, open_database
from tests.storage.rosters import MAPLE
from tests.storage.waiting import store
from tests.unit.domain.deliveries import waiting_delivery

PATIENCE = 30.0  # seconds
ROWS = 60
OPTIONS = "/schoolbell.v1.SettingsService/ListDisplayOptions"
NOW = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)


@contextmanager
def finely_sliced(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Slice as finely as can be, and collect the turns that the loop is given."""
    turns: list[float] = []
    pause = asyncio.sleep

    async def counted(seconds: float) -> None:
        turns.append(seconds)
        await pause(seconds)

    with monkeypatch.context() as patch:
        patch.setattr(pacing, "SLICE", 0.0)
        patch.setattr(pacing, "asyncio", SimpleNamespace(sleep=counted))
        yield turns


async def test_reading_changes_and_deliveries_lets_the_loop_turn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with open_database(SQLITE, tmp_path) as storage:
        await write_changes(storage, [Old(f"{number}", 1) for number in range(ROWS)])
        rows = [waiting_delivery(f"d{number}") for number in range(ROWS)]
        await store(storage, *rows)

        async with storage.read() as connection:
            with finely_sliced(monkeypatch) as turns:
                changes = ChangeQuery(district_ids=[MAPLE], limit=ROWS)
                assert len(await list_changes(connection, changes)) == ROWS
            assert len(turns) == ROWS
            with finely_sliced(monkeypatch) as turns:
                deliveries = DeliveryQuery(district_ids=[MAPLE], limit=ROWS)
                assert len(await list_deliveries(connection, deliveries)) == ROWS
            assert len(turns) == ROWS


async def test_few_lists_of_a_key_work_at_once_and_the_others_wait(tmp_path: Path) -> None:
    async with running(tmp_path, key_reads=1, reads=2) as service, asyncio.timeout(PATIENCE):
        at_work: asyncio.Queue[str] = asyncio.Queue()

        async def wait(_: Any) -> Any:
            at_work.put_nowait(current_caller().key.key_id)
            await service.script.release.wait()
            return settings_service_pb2.ListDisplayOptionsResponse()

        service.script.options = wait
        greedy, other = (service.keys.new(Role.ADMINISTRATOR) for _ in range(2))
        request = settings_service_pb2.ListDisplayOptionsRequest(district_id=DISTRICT)
        data = request.SerializeToString()
        calls = [asyncio.create_task(service.raw(OPTIONS, data, greedy)) for _ in range(3)]
        first = await at_work.get()
        calls.append(asyncio.create_task(service.raw(OPTIONS, data, other)))
        assert await at_work.get() != first  # beside one of the greedy key's
        assert at_work.empty()
        service.script.release.set()
        await asyncio.gather(*calls)
        assert at_work.qsize() == 2


class Idle(Acceptance):
    """Accepts nothing, in no time, and counts how often."""

    transactions = 0

    def __init__(self) -> None:
        super().__init__({}, replay=False, new_id=lambda: "")

    async def accept(self, connection: AsyncConnection, *_: Any) -> Any:
        self.transactions += 1
        await asyncio.sleep(0)
        return [[]], Written()


async def test_a_publisher_waits_for_one_dry_run_at_most(tmp_path: Path) -> None:
    async with open_database(SQLITE, tmp_path) as storage:
        acceptance = Idle()
        runner = DryRunner(storage, acceptance, lambda: NOW)
        dry_runs = [asyncio.create_task(runner.run(cast(Submission, None))) for _ in range(8)]
        await asyncio.sleep(0)
        async with storage.write():
            assert acceptance.transactions <= 1
        await asyncio.gather(*dry_runs)
