"""An outcome is written once, whatever became of the answer to its commit."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from schoolbell_server.dispatch.finished import Finished
from schoolbell_server.dispatch.outcomes import Outcomes
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.kinds import DeliveryState, Outcome
from schoolbell_server.domain.retry import RetryPolicy
from schoolbell_server.gateways.common.push import PushResult
from schoolbell_storage.claims import Waiting, claim_due
from schoolbell_storage.deliveries import fetch_deliveries
from schoolbell_storage.engine import Storage
from tests.storage.engines import databases, open_database
from tests.storage.rosters import START
from tests.storage.waiting import ROUTE, store
from tests.unit.domain.deliveries import waiting_delivery

OWNER = "this server"
NOW = START + dt.timedelta(minutes=1)


def outcomes(storage: Storage) -> Outcomes:
    nobody = cast(Any, None)
    policy = RetryPolicy(first=dt.timedelta(seconds=1), longest=dt.timedelta(seconds=1))
    return Outcomes(
        storage,
        nobody,
        nobody,
        quarantine=nobody,
        owner=OWNER,
        budget=8,
        policy=policy,
        clock=lambda: NOW,
        on_written=lambda rows: None,
        most=10,
    )


async def write(storage: Storage, end: Finished) -> list[Delivery]:
    async with storage.write() as connection:
        return await outcomes(storage)._store(connection, {end.row.delivery_id: end})


@databases()
async def test_an_outcome_that_was_written_after_all_touches_no_later_lease(
    database: str, tmp_path: Path
) -> None:
    row = waiting_delivery("d", lease_owner=OWNER)
    result = PushResult(delivery_id="d", outcome=Outcome.PROVIDER_DOWN)
    end = Finished(row=row, result=result, start_time=START, end_time=START)
    async with open_database(database, tmp_path) as storage:
        await store(storage, row)
        (tried,) = await write(storage, end)
        assert (tried.attempt_count, tried.lease_owner) == (1, "")
        later = tried.due_time
        place = Waiting(lane=row.lane, district_id=row.district_id, due_time=later)
        async with storage.write() as connection:
            (again,) = await claim_due(connection, OWNER, ROUTE, [place], later, 1)
        assert await write(storage, end) == []
        async with storage.read() as connection:
            found = await fetch_deliveries(connection, ["d"])
    assert found["d"] == again
    assert again.state in (DeliveryState.PENDING, DeliveryState.HELD)


@databases()
async def test_an_end_without_an_attempt_that_was_written_after_all_touches_no_later_lease(
    database: str, tmp_path: Path
) -> None:
    """An open circuit kept it; the commit's answer was lost, and it was leased anew meanwhile."""
    row = waiting_delivery("d", lease_owner=OWNER)
    held = PushResult(delivery_id="d", outcome=Outcome.NOT_SENT, held=True)
    end = Finished(row=row, result=held)
    async with open_database(database, tmp_path) as storage:
        await store(storage, row)
        (kept,) = await write(storage, end)
        assert (kept.state, kept.lease_owner) == (DeliveryState.HELD, "")
        place = Waiting(lane=row.lane, district_id=row.district_id, due_time=kept.due_time)
        async with storage.write() as connection:
            (again,) = await claim_due(connection, OWNER, ROUTE, [place], kept.due_time, 1)
        assert await write(storage, end) == []
        async with storage.read() as connection:
            assert await fetch_deliveries(connection, ["d"]) == {"d": again}


@databases()
async def test_an_end_that_a_receipt_came_before_is_written_all_the_same(
    database: str, tmp_path: Path
) -> None:
    row = waiting_delivery("d", lease_owner=OWNER)
    held = PushResult(delivery_id="d", outcome=Outcome.NOT_SENT, held=True)
    async with open_database(database, tmp_path) as storage:
        await store(storage, replace(row, revision=2, update_time=START))
        (kept,) = await write(storage, Finished(row=row, result=held))
    assert (kept.state, kept.lease_owner, kept.revision) == (DeliveryState.HELD, "", 3)
