"""A clock that ran ahead puts nothing off once it is set right."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import pytest

from schoolbell_server.background.stopping import Stop
from schoolbell_server.domain.kinds import DeliveryState
from schoolbell_server.maintenance.clock_repair import ClockRepair
from schoolbell_storage.claims import claim_due, waiting
from schoolbell_storage.deliveries import fetch_deliveries
from schoolbell_storage.engine import Storage
from tests.service.observed import logged
from tests.storage.engines import databases, open_database
from tests.storage.rosters import START
from tests.storage.waiting import ROUTE, store
from tests.unit.domain.deliveries import waiting_delivery

AHEAD = dt.timedelta(hours=1)
WAIT = dt.timedelta(seconds=30)
NAMES = ["put off", "held", "to come", "with a sender"]


@dataclass
class Clock:
    """A clock that is set by the test."""

    now: dt.datetime

    def __call__(self) -> dt.datetime:
        return self.now


async def due_times(storage: Storage) -> dict[str, dt.datetime]:
    async with storage.read() as connection:
        found = await fetch_deliveries(connection, NAMES)
    return {name: row.due_time for name, row in found.items()}


@databases()
async def test_what_was_put_off_waits_no_longer_than_it_was_to(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    woken: list[bool] = []
    clock = Clock(START + AHEAD)
    async with open_database(database, tmp_path) as storage:
        repair = ClockRepair(storage, [ROUTE], clock, lambda: woken.append(True))
        await repair.look(Stop())
        later = {"due_time": START + AHEAD + WAIT, "update_time": START + AHEAD}
        held = {"state": DeliveryState.HELD, "lane": 0} | later
        await store(
            storage,
            waiting_delivery("put off", **later),
            waiting_delivery("held", **held),
            waiting_delivery("to come", due_time=START + 3 * AHEAD),
            waiting_delivery("with a sender", lease_owner="somebody", **later),
        )
        before = await due_times(storage)
        await repair.look(Stop())
        assert await due_times(storage) == before, "the clock goes on as it was"
        clock.now = START  # it is set right
        await repair.look(Stop())
        soon = {"put off": START + WAIT, "held": START + WAIT}
        assert await due_times(storage) == before | soon
        assert woken
        assert logged(caplog, "deliveries of a clock ahead", deliveries=2)
        async with storage.write() as connection:
            places = await waiting(connection, ROUTE)
            due = await claim_due(connection, "me", ROUTE, places, START + WAIT, 10)
        assert {row.delivery_id for row in due} == {"put off", "held"}


@databases()
async def test_a_server_that_starts_after_its_clock_was_set_right_finds_them_too(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        times = {"due_time": START + AHEAD, "update_time": START + AHEAD}
        await store(storage, waiting_delivery("put off", **times))
        await ClockRepair(storage, [ROUTE], lambda: START, lambda: None).look(Stop())
        assert await due_times(storage) == {"put off": START}
