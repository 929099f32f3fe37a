"""A lease that storage does not renew, and what the dead had leased, are seen."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import pytest
from sqlalchemy import text

from schoolbell_server.background.stopping import Stop
from schoolbell_server.dispatch.lease import Lease
from schoolbell_server.observability.metrics import Metrics
from schoolbell_storage.engine import Storage
from tests.programs import PATIENCE
from tests.service.observed import logged
from tests.storage.engines import databases, open_database
from tests.storage.waiting import store
from tests.unit.domain.deliveries import waiting_delivery


def lease_of(storage: Storage, metrics: Metrics) -> Lease:
    length, renewal = dt.timedelta(seconds=1), dt.timedelta(milliseconds=50)
    return Lease(storage, length=length, renewal=renewal, metrics=metrics)


@databases()
async def test_what_a_dead_server_had_leased_is_taken_back_and_counted(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics()
    async with open_database(database, tmp_path) as storage:
        await store(storage, *(waiting_delivery(f"d-{n}", lease_owner="dead") for n in range(3)))
        await lease_of(storage, metrics).start()
    assert metrics.registry.get_sample_value("schoolbell_recovered_leases_total") == 3
    assert metrics.registry.get_sample_value("schoolbell_lease_terms_total") == 1
    assert logged(caplog, "leases of dead servers taken back", deliveries=3)


@databases()
async def test_a_lease_that_is_not_renewed_ends_and_is_taken_anew(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metrics, stop = Metrics(), Stop()
    storage_faults: list[str] = []

    def value(name: str) -> float:
        return metrics.registry.get_sample_value(name) or 0.0

    async def until_held(held: float) -> None:
        async with asyncio.timeout(PATIENCE):
            while value("schoolbell_lease_held") != held:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async with open_database(database, tmp_path) as storage:
        storage.on_fault = lambda error: storage_faults.append(type(error).__name__)
        lease = lease_of(storage, metrics)
        await lease.start()
        assert value("schoolbell_lease_held") == 1
        renewing = asyncio.create_task(lease.run(stop))
        async with storage.write() as connection:
            await connection.execute(text("ALTER TABLE server_instance RENAME TO elsewhere"))
        await until_held(0)
        assert value("schoolbell_lease_renewal_failures_total") > 0
        assert storage_faults
        assert logged(caplog, "lease not renewed")
        async with storage.write() as connection:
            await connection.execute(text("ALTER TABLE elsewhere RENAME TO server_instance"))
        await until_held(1)
        assert value("schoolbell_lease_terms_total") >= 2
        stop.ask()
        await renewing
