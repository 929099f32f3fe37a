"""An outcome is written once, whatever became of the answer to its commit."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, cast

from schoolbell_server.domain.kinds import DeliveryState, Outcome
from schoolbell_server.domain.retry import RetryPolicy
from schoolbell_server.gateways.push import PushResult
from schoolbell_server.pipeline.outcomes import Finished, Outcomes
from schoolbell_storage.claims import Waiting, claim_due
from schoolbell_storage.deliveries import DeliveryRow, fetch_deliveries
from schoolbell_storage.engine import Storage
from tests.storage.engines import databases, open_database
from tests.storage.rosters import START
from tests.storage.waiting import ROUTE, store, waiting_delivery

OWNER = "this server"
NOW = START + dt.timedelta(minutes=1)


def outcomes(storage: Storage) -> Outcomes:
    nobody = cast(Any, None)
    policy = RetryPolicy(first=dt.timedelta(seconds=1), longest=dt.timedelta(seconds=1))
    return Outcomes(
        storage,
        nobody,
        nobody,
        setting_aside=nobody,
        owner=OWNER,
        budget=8,
        policy=policy,
        clock=lambda: NOW,
        on_written=lambda rows: None,
        most=10,
    )


async def write(storage: Storage, end: Finished) -> list[DeliveryRow]:
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
