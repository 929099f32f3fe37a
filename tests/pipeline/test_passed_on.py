"""A delivery that a hub has: one open attempt, until its outcome or its expiry."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from schoolbell_server.dispatch.finished import Finished
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.kinds import DeliveryState, Outcome
from schoolbell_server.gateways.common.push import PushResult
from schoolbell_server.link.overdue import GRACE, Overdue
from schoolbell_storage import claims, instances
from schoolbell_storage.deliveries import fetch_deliveries, store_deliveries
from schoolbell_storage.engine import Storage
from tests.pipeline.test_outcomes import NOW, OWNER, outcomes
from tests.storage.engines import databases, open_database
from tests.storage.rosters import START
from tests.storage.waiting import store
from tests.unit.domain.deliveries import waiting_delivery

PASSED_ON = PushResult(delivery_id="d", outcome=Outcome.NOT_SENT, passed_on=True)
ACCEPTED = PushResult(delivery_id="d", outcome=Outcome.ACCEPTED)


def end_of(row: Delivery, result: PushResult, attempt: int | None = None) -> Finished:
    return Finished(row=row, result=result, start_time=START, end_time=START, answered=attempt)


async def pass_on(storage: Storage, row: Delivery) -> None:
    async with storage.write() as connection:
        await claims.pass_on(connection, OWNER, {row.attempt_count: [row.delivery_id]})


async def answer(
    storage: Storage, row: Delivery, result: PushResult, attempt: int
) -> list[Delivery]:
    end = end_of(row, result, attempt)
    async with storage.write() as connection:
        return await outcomes(storage)._store(connection, {end.row.delivery_id: end})


async def leased(storage: Storage) -> Delivery:
    """Let the server lease it again."""
    row = replace(await stored(storage), lease_owner=OWNER)
    async with storage.write() as connection:
        await store_deliveries(connection, [row])
    return row


async def stored(storage: Storage) -> Delivery:
    async with storage.read() as connection:
        return (await fetch_deliveries(connection, ["d"]))["d"]


@databases()
async def test_what_a_hub_has_outlives_the_server_that_passed_it_on(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        row = waiting_delivery("d", lease_owner=OWNER)
        await store(storage, row)
        await pass_on(storage, row)
        async with storage.write() as connection:
            assert await instances.dead_owners(connection, "another server") == set()
            assert await instances.dead_owners(connection, None) == set()
        (written,) = await answer(storage, await stored(storage), ACCEPTED, 1)
    assert (written.state, written.lease_owner) == (DeliveryState.ACCEPTED, "")


@databases()
async def test_an_answer_may_come_before_it_is_known_here_that_the_hub_has_it(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        row = waiting_delivery("d", lease_owner=OWNER)
        await store(storage, row)
        (written,) = await answer(storage, row, ACCEPTED, 1)
        await pass_on(storage, row)
        assert await stored(storage) == written


@databases()
async def test_an_answer_that_comes_twice_is_written_once(database: str, tmp_path: Path) -> None:
    down = PushResult(delivery_id="d", outcome=Outcome.PROVIDER_DOWN)
    async with open_database(database, tmp_path) as storage:
        row = waiting_delivery("d", lease_owner=OWNER)
        await store(storage, row)
        await pass_on(storage, row)
        (tried,) = await answer(storage, row, down, 1)
        assert tried.attempt_count == 1
        assert await answer(storage, tried, ACCEPTED, 1) == []
        assert await stored(storage) == tried


@databases()
async def test_what_is_held_in_doubt_may_have_been_sent(database: str, tmp_path: Path) -> None:
    held = PushResult(delivery_id="d", outcome=Outcome.NOT_SENT, held=True)
    async with open_database(database, tmp_path) as storage:
        row = waiting_delivery("d", lease_owner=OWNER)
        await store(storage, row)
        for doubtful in (False, True):
            async with storage.write() as connection:
                end = end_of(row, replace(held, doubtful=doubtful))
                await outcomes(storage)._store(connection, {"d": end})
            now = await stored(storage)
            assert (now.state, now.answer_lost) == (DeliveryState.HELD, doubtful)
            row = await leased(storage)


@databases()
@pytest.mark.parametrize(
    ("doubtful", "over"), [(False, DeliveryState.EXPIRED), (True, DeliveryState.UNCERTAIN)]
)
async def test_what_a_hub_never_answers_ends_and_a_late_answer_is_the_last_word(
    database: str, tmp_path: Path, doubtful: bool, over: DeliveryState
) -> None:
    async with open_database(database, tmp_path) as storage:
        row = waiting_delivery("d", lease_owner=OWNER)
        row = replace(row, expire_time=NOW, answer_lost=doubtful)
        await store(storage, row)
        await pass_on(storage, row)
        await Overdue(storage, lambda: NOW + GRACE - dt.timedelta(seconds=1)).round()
        assert (await stored(storage)).lease_owner == claims.HUB
        await Overdue(storage, lambda: NOW + GRACE).round()
        expired = await stored(storage)
        assert (expired.state, expired.lease_owner) == (over, "")
        (written,) = await answer(storage, expired, ACCEPTED, 1)
    assert written.state is DeliveryState.ACCEPTED
