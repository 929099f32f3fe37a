"""A hub takes from many districts: one whose queues are slow keeps no other waiting."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from aio_pika.abc import AbstractConnection

from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.hub import service
from schoolbell_server.hub.broker_link import BrokerLink
from schoolbell_server.hub.config import HubConfig, HubServerConfig
from schoolbell_server.hub.fair_queue import FairQueue
from schoolbell_server.hub.intake import Intake
from schoolbell_server.hub.ledger_bound import LedgerBound
from schoolbell_server.hub.metrics import HubMetrics
from schoolbell_server.hub.withdrawal_turns import WithdrawalTurns
from schoolbell_storage.engine import Storage
from tests.link.enrolled import hub

PATIENCE = 60.0  # seconds
DISTRICTS = 20


class SlowIntake(Intake):
    """Starts, and pauses, once all others do: a queue that is slower than any."""

    def __init__(self, district: str, link: BrokerLink, starts: asyncio.Barrier) -> None:
        super().__init__(
            district,
            FairQueue(),
            cast(Storage, None),  # no message comes
            HubMetrics(),
            WithdrawalTurns(),
            cast(LedgerBound, None),
            answer=link.answer,
            prefetch=1,
        )
        self._starts = starts
        self._alive = False

    @property
    def alive(self) -> bool:
        return self._alive

    async def start(self, connection: AbstractConnection) -> None:
        await self._starts.wait()
        self._alive = True

    async def pause(self) -> None:
        await self._starts.wait()


async def test_districts_are_begun_and_paused_side_by_side(tmp_path: Path, broker: Broker) -> None:
    all_of_them = asyncio.Barrier(DISTRICTS + 1)
    link = BrokerLink(
        await hub(broker, tmp_path),
        lambda district, link: SlowIntake(district, link, all_of_them),
        lambda: None,
        None,
    )
    link.districts = {f"district-{number}" for number in range(DISTRICTS)}
    running = asyncio.create_task(link.run())
    try:
        async with asyncio.timeout(PATIENCE):
            await all_of_them.wait()
            await asyncio.gather(link.stop(), all_of_them.wait())
    finally:
        running.cancel()


def test_consumers_are_begun_anew_with_nothing_in_work_alone() -> None:
    link = cast(BrokerLink, SimpleNamespace(answer=None))
    intake = SlowIntake("maple", link, asyncio.Barrier(1))
    assert not intake.due
    intake._ends, intake._in_work = 0.0, 1
    assert not intake.due
    intake.finished()
    assert intake.due


async def test_whose_consumers_are_begun_anew_is_not_counted_as_untaken(
    tmp_path: Path, broker: Broker
) -> None:
    both, seen = asyncio.Barrier(2), list[int]()

    class Renewed(SlowIntake):
        async def stop(self) -> None:
            seen.append(link.untaken)

        async def start(self, connection: AbstractConnection) -> None:
            await super().start(connection)
            self._ends = 0.0

    link = BrokerLink(
        await hub(broker, tmp_path),
        lambda district, link: Renewed(district, link, both),
        lambda: None,
        None,
    )
    link.districts = {"maple"}
    running = asyncio.create_task(link.run())
    try:
        async with asyncio.timeout(PATIENCE):
            await both.wait()
            await both.wait()  # the second life
    finally:
        running.cancel()
    assert seen == [0]


async def test_what_is_in_work_is_answered_while_the_broker_is_slow_to_stop(
    tmp_path: Path, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    answered = asyncio.Event()

    class Stopping:
        async def stop(self) -> None:
            await answered.wait()

    class Working:
        async def drain(self) -> None:
            answered.set()

    config = HubConfig(broker=await hub(broker, tmp_path), hub=HubServerConfig())
    async with asyncio.timeout(PATIENCE):
        await service._drain(config, Stopping(), Working())  # type: ignore[arg-type]
    assert not caplog.records
