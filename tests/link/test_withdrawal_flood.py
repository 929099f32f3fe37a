"""A district that floods with withdrawals, or keeps them from being written, slows itself."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import uuid
from pathlib import Path

import pytest
from aio_pika import Message

from schoolbell.v1 import delivery_pb2
from schoolbell_server.config.topology import REQUEST_ARGUMENTS, lane_key
from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.domain.lanes import Lane
from schoolbell_server.hub import intake
from schoolbell_server.hub.ledger_bound import MOST_ROWS, LedgerBound
from schoolbell_server.hub.metrics import HubMetrics
from schoolbell_server.hub.withdrawal_turns import WithdrawalTurns
from schoolbell_server.link.broker import connect
from schoolbell_server.link.v1 import link_pb2
from schoolbell_server.link.wire import MOST_DELIVERIES, MOST_WITHDRAWALS, stamp
from schoolbell_storage import hub_ledger
from schoolbell_storage.hub_ledger import Key, Wanted
from tests.link.enrolled import enroll, remove, some_district
from tests.link.linked import linked
from tests.link.test_hub_ledger import LATER, LEASE, NOW, ledger
from tests.service.following import following
from tests.service.scene import STUDENT, phone, populate, publish, register, tasks
from tests.storage.engines import databases

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
PATIENCE = 60.0  # seconds
SECOND = dt.timedelta(seconds=1)
MOST = 10
WRITTEN = 25


async def test_whoever_floods_has_one_turn_before_another_has_its() -> None:
    turns, order, begun = WithdrawalTurns(), list[str](), asyncio.Event()

    async def write(district: str) -> None:
        async with turns.of(district):
            begun.set()
            await asyncio.sleep(0)  # the ledger
            order.append(district)

    flood = [asyncio.create_task(write("flood")) for _ in range(50)]
    await begun.wait()
    others = [asyncio.create_task(write(f"other-{number}")) for number in range(5)]
    await asyncio.gather(*others)
    assert order.count("flood") <= 2, order
    await asyncio.gather(*flood)


async def test_a_district_whose_withdrawals_do_not_end_keeps_no_worker_from_others(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile, begun, never = some_district(), asyncio.Event(), asyncio.Event()

    async def never_settled(self: intake.Intake) -> bool:
        if self.district == hostile.district:
            begun.set()
            return never.is_set()
        return await all_written(self)

    all_written = intake.Intake._all_written
    monkeypatch.setattr(intake.Intake, "_all_written", never_settled)
    monkeypatch.setattr(intake, "_LONGEST_SETTLING", 3600.0)
    config = await enroll(broker, tmp_path, hostile)
    try:
        async with linked(tmp_path, broker, started=False) as link:
            server = dataclasses.replace(link.hub.config.hub, messages=1)
            link.hub.config = dataclasses.replace(link.hub.config, hub=server)
            async with await connect(config) as connection:
                channel = await connection.channel()
                exchange = await channel.get_exchange(hostile.exchange, ensure=False)
                for lane in Lane:
                    await exchange.publish(Message(_batch()), lane_key(lane))
            await populate(link.service)
            await register(link.service, phone(STUDENT))
            await link.hub.start()
            async with asyncio.timeout(PATIENCE):
                await begun.wait()
            async with following(link.service) as followed:
                await publish(link.service, *tasks(1, 1))
                await followed.until_states(ACCEPTED)
    finally:
        await remove(broker, hostile)


@databases()
async def test_a_district_has_so_many_rows_at_most_and_its_newest_stay(
    database: str, tmp_path: Path
) -> None:
    async with ledger(database, tmp_path) as storage:
        metrics = HubMetrics()
        bound = LedgerBound(storage, metrics, MOST)
        names = [str(uuid.UUID(int=number)) for number in range(WRITTEN)]
        for number, name in enumerate(names):
            now = NOW + number * SECOND
            wanted = Wanted(now, now + dt.timedelta(days=28))
            async with storage.write() as connection:
                for district in ("hostile", "other"):
                    key = Key(name, 1)
                    await hub_ledger.claim(connection, district, {key: wanted}, now, LEASE)
                    await hub_ledger.record(connection, district, {key: b"outcome"})
                await hub_ledger.withdraw(connection, "hostile", {name: wanted})
        bound.count("hostile", 2 * WRITTEN)
        await bound.round()
        about = {Key(name, 1): Wanted(LATER, LATER + dt.timedelta(days=1)) for name in names}
        async with storage.write(keep=False) as connection:
            known = await hub_ledger.claim(connection, "other", about, LATER, LEASE)
            assert len(known.answered) == WRITTEN
            known = await hub_ledger.claim(connection, "hostile", about, NOW, LEASE)
            assert {key.delivery_id for key in known.answered} == set(names[-MOST:])
            none_was_withdrawn = {Key(name, 2): Wanted(NOW, LATER) for name in names}
            known = await hub_ledger.claim(connection, "hostile", none_was_withdrawn, NOW, LEASE)
            assert {key.delivery_id for key in known.withdrawn} == set(names[-MOST:])
        dropped = metrics.registry.get_sample_value(
            "schoolbell_hub_ledger_rows_dropped_total", {"district": "hostile"}
        )
        assert dropped == 2 * (WRITTEN - MOST)


@databases()
async def test_a_district_is_looked_at_again_only_once_it_has_written_much(
    database: str, tmp_path: Path
) -> None:
    async with ledger(database, tmp_path) as storage:
        looked = list[str]()
        bound = LedgerBound(storage, HubMetrics(), MOST)

        async def look(district: str) -> None:
            looked.append(district)

        bound._trim = look  # type: ignore[method-assign]
        for _ in range(2 * MOST):
            bound.count("a", 0)
            await bound.round()
        assert looked == ["a"], "what an earlier life of the hub wrote is not known"
        bound.count("a", MOST)
        await bound.round()
        assert looked == ["a", "a"]


@databases()
async def test_an_older_ledger_gets_its_new_indexes(database: str, tmp_path: Path) -> None:
    async with ledger(database, tmp_path) as storage:
        async with storage.write() as connection:
            for index in hub_ledger.metadata.tables["hub_attempt"].indexes:
                await connection.run_sync(index.drop)
        await hub_ledger.create(storage)
        async with storage.write(keep=False) as connection:
            for index in hub_ledger.metadata.tables["hub_attempt"].indexes:
                await connection.run_sync(index.drop)  # fails where there is none


def test_what_the_queues_hold_fits_twice() -> None:
    waiting = len(Lane) * int(REQUEST_ARGUMENTS["x-max-length"]) * MOST_DELIVERIES
    assert 2 * waiting <= MOST_ROWS
    assert int(REQUEST_ARGUMENTS["x-max-length"]) * MOST_WITHDRAWALS <= MOST_ROWS


def _batch() -> bytes:
    now = dt.datetime.now(dt.UTC)
    one = link_pb2.Delivery(
        delivery_id=str(uuid.uuid4()),
        attempt=1,
        judge_time=stamp(now),
        expire_time=stamp(now + dt.timedelta(hours=1)),
    )
    return link_pb2.Batch(deliveries=[one]).SerializeToString()
