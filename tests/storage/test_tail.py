"""A reader of the status log that was overtaken by its pruning is told so, never left to skip."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schoolbell.v1 import status_pb2
from schoolbell_server.background.stopping import Stop
from schoolbell_server.contract.resume_tokens import ResumeToken
from schoolbell_server.status.tail import Tail
from schoolbell_server.status.watch import Watch, WatchSpec
from schoolbell_storage import status_log
from schoolbell_storage.engine import Storage
from schoolbell_storage.status_log import LogPruned
from tests.storage.aged import NOW, old, write_log
from tests.storage.engines import databases, open_database

POLL = 0.02  # seconds


async def prune(storage: Storage) -> None:
    async with storage.write() as connection:
        await status_log.prune(connection, NOW, 100)


async def _no_states() -> AsyncIterator[status_pb2.ServiceState]:
    return
    yield


@databases()
async def test_a_watch_that_is_behind_what_was_pruned_ends(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await write_log(storage, old(5, 5, 5))
        tail = Tail(storage, POLL)
        await tail.start()
        position = await tail.position()
        watch = Watch(
            tail=tail,
            spec=WatchSpec(districts=None, states=False, deliveries=True, changes=True, test=None),
            position=ResumeToken(position.store_id, 1),
            states=_no_states,
            clock=lambda: NOW,
        )
        responses = watch.responses()
        assert (await anext(responses)).resume_token
        await prune(storage)
        await write_log(storage, old(0))
        with pytest.raises(LogPruned):
            await asyncio.wait_for(anext(responses), 60)


@databases()
async def test_a_tail_that_was_overtaken_begins_anew(database: str, tmp_path: Path) -> None:
    """As on a machine that slept for days while another server tidied up."""
    async with open_database(database, tmp_path) as storage:
        tail = Tail(storage, POLL)
        await tail.start()
        await write_log(storage, old(5, 5, 5))
        await prune(storage)
        await write_log(storage, old(0, 0))
        stop = Stop()
        running = asyncio.create_task(tail.run(stop))
        assert await tail.wait_beyond(5, dt.timedelta(minutes=1).total_seconds())
        with pytest.raises(LogPruned):
            await tail.read_after(1)
        assert [one.revision for one in await tail.read_after(4)] == [5, 6]
        stop.ask()
        tail.nudge()
        await running


async def test_a_stop_ends_the_wait_for_the_next_look(tmp_path: Path) -> None:
    async with open_database("sqlite", tmp_path) as storage:
        tail = Tail(storage, 3600.0)
        await tail.start()
        stop = Stop()
        running = asyncio.create_task(tail.run(stop))
        await write_log(storage, old(0))
        tail.nudge()
        assert await tail.wait_beyond(0, 60)  # it waits an hour for what comes next
        stop.ask()
        await asyncio.wait_for(running, 60)
