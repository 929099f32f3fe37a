"""Storage that fails everything: callers come back, and each task says so and goes on by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from schoolbell.errors import Unavailable
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import status_service_pb2
from schoolbell_sandbox.effect import Effect
from schoolbell_server.background.periodic import Periodic
from schoolbell_server.background.stopping import Stop
from schoolbell_server.maintenance import clock_repair
from schoolbell_server.maintenance.last_seen import LastSeen
from schoolbell_storage.engine import Storage
from tests.service.observed import observed
from tests.service.scene import MOTHER, phone, populate, publish, register, tasks
from tests.service.stored import stored
from tests.service.test_trouble import apple_answers
from tests.service.whole import DISTRICT, Whole

SOON = 0.05  # seconds
GONE = ("delivery", "device", "api_key", "audit_entry", "status_log", "roster_stage")
TASKS = {
    "audit log not sealed",
    "backlog not counted",
    "deliveries not claimed",
    "deliveries of a clock ahead not looked for",
    "last use not noted",
    "nothing expired",
    "orphaned leases not looked for",
    "outcomes not written",
    "round of the janitor not finished",
    "silent devices not retired",
    "status log cannot be read",
}


@asynccontextmanager
async def without_tables(service: Whole) -> AsyncIterator[None]:
    """Let what most statements ask for be somewhere else while the block runs."""
    async with stored(service) as storage:
        await _rename(storage, "", "_away")
        try:
            yield
        finally:
            await _rename(storage, "_away", "")


async def _rename(storage: Storage, before: str, after: str) -> None:
    async with storage.write() as connection:
        for table in GONE:
            renamed = f"ALTER TABLE {table}{before} RENAME TO {table}{after}"
            await connection.execute(text(renamed))


async def test_each_task_says_that_storage_fails_it_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Periodic.run

    async def run_often(periodic: Periodic, stop: Stop) -> None:
        await run(dataclasses.replace(periodic, interval=SOON), stop)

    seen, key = list[LastSeen](), LastSeen.key

    def noted(it: LastSeen, key_id: str) -> None:
        seen.append(it)
        key(it, key_id)

    monkeypatch.setattr(LastSeen, "key", noted)
    monkeypatch.setattr(Periodic, "run", run_often)
    monkeypatch.setattr(clock_repair, "_LOOK", 0.0)
    async with observed(tmp_path, caplog) as it:
        await populate(it.service)
        await register(it.service, phone(MOTHER))
        apple_answers(it, Effect(delay=1.0))
        await publish(it.service, *tasks(1, 2))
        request = status_service_pb2.GetStatusRequest(district_id=DISTRICT)
        async with without_tables(it.service):
            async with it.service.client(access.ROLE_MONITOR) as monitor:
                seen[0].key("a key that was used")
                for message in sorted(TASKS):
                    await it.until_logged(message)
                await it.until_metric("schoolbell_storage_answers", lambda value: value == 0)
                await it.until_metric("schoolbell_storage_faults_total", lambda value: value > 0)
                with pytest.raises(Unavailable) as refused:
                    await monitor.status.GetStatus(request)
            assert refused.value.reason == "STORAGE_UNAVAILABLE"
        await it.until_logged("storage answers again")
