"""Storage that fails under a running server: told at once, nothing lost, recovers by itself."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import random
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from schoolbell import AsyncClient
from schoolbell.errors import DeadlineExceeded, Unavailable
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import status_pb2
from schoolbell.v1.change_service_pb2 import PublishChangeRequest
from tests.end_to_end.postgresql import Cluster
from tests.end_to_end.process import PATIENCE, Process, killable, processes
from tests.end_to_end.several import (
    NOT_SERVING,
    SERVING,
    scene,
    until_health,
    until_status,
)
from tests.end_to_end.streaming import (
    NO_QUOTAS,
    change_of_its_own,
    populate_for_streaming,
    settle,
    streaming,
)
from tests.service.scene import status_of
from tests.service.whole import DISTRICT, Whole, whole

GONE = 60.0 if os.environ.get("LONG") else 0.0
"""Seconds for which the database stays away once the server has told of it."""
SHORT = dt.timedelta(seconds=2)
"""For which PostgreSQL may hang before it counts as gone."""
_WAL = Path("data") / "schoolbell.db-wal"

Fault = Callable[[], AbstractAsyncContextManager[None]]


@pytest.mark.parametrize("full", [True, False], ids=["a full disk", "a disk that takes nothing"])
async def test_sqlite_without_a_disk_to_write_to(full: bool, tmp_path: Path) -> None:
    """The kernel refuses the server's writes: beyond the present size of its files, or all."""
    async with whole(tmp_path, fcm=NO_QUOTAS) as service:
        await populate_for_streaming(service)
        async with killable(service, tmp_path) as server:

            @asynccontextmanager
            async def refusing() -> AsyncIterator[None]:
                size = (tmp_path / _WAL).stat().st_size if full else 0
                _limit_files(server, size)
                yield
                _limit_files(server, resource.RLIM_INFINITY)

            await _outlive(service, server, refusing, readable=True)


async def test_postgresql_that_only_reads(tmp_path: Path) -> None:
    """As a standby does, or a server whose operator has stopped all writing."""
    async with (
        scene(tmp_path) as set_up,
        processes(set_up.service, tmp_path, set_up.config()) as (server,),
    ):

        @asynccontextmanager
        async def reading_only() -> AsyncIterator[None]:
            await _set_read_only(set_up.database, "on")
            yield
            await _set_read_only(set_up.database, "off")

        await _outlive(set_up.service, server, reading_only, readable=True)


async def test_postgresql_that_is_gone(tmp_path: Path) -> None:
    async with (
        scene(tmp_path) as set_up,
        processes(set_up.service, tmp_path, set_up.config()) as (server,),
    ):

        @asynccontextmanager
        async def gone() -> AsyncIterator[None]:
            await asyncio.to_thread(set_up.database.kill)
            yield
            await set_up.database.start()

        await _outlive(set_up.service, server, gone, readable=False)


async def test_postgresql_that_stays_away_throughout_a_drain(tmp_path: Path) -> None:
    """What is under way cannot be written: the server ends all the same, and says so."""
    async with (
        scene(tmp_path) as set_up,
        processes(set_up.service, tmp_path, set_up.config()) as (server,),
    ):
        async with streaming(server, random.Random(1)) as streamed:
            await streamed.next_answer()
        await asyncio.to_thread(set_up.database.kill)
        await until_health(server, NOT_SERVING)
        assert await server.terminate() == 1
        (line,) = [line for line in server.log if "ended by a fault" in line]
        assert "CRITICAL" in line
        await set_up.database.start()


async def test_postgresql_that_hangs(tmp_path: Path) -> None:
    """It is there and answers nothing, as behind a network that swallows all packets."""
    async with scene(tmp_path) as set_up:
        config = replace(set_up.config(), storage=replace(set_up.config().storage, timeout=SHORT))
        async with processes(set_up.service, tmp_path, config) as (server,):

            @asynccontextmanager
            async def hanging() -> AsyncIterator[None]:
                await asyncio.to_thread(set_up.database.freeze)
                yield
                await asyncio.to_thread(set_up.database.thaw)

            await _outlive(set_up.service, server, hanging, readable=False)


async def _outlive(service: Whole, server: Process, fault: Fault, *, readable: bool) -> None:
    """Let a fault befall a server that takes changes and sends, and then end."""
    async with streaming(server, random.Random(1)) as streamed:
        await streamed.next_answer()
        async with fault():
            await _until_refused(server)
            await until_health(server, NOT_SERVING)
            if readable:
                await _shows_inactive(server)
            await asyncio.sleep(GONE)
        await until_health(server, SERVING)
        await until_status(server, status_pb2.SERVICE_STATUS_ACTIVE)
        await streamed.next_answer()
    account = await settle(server, streamed, service.sandbox.ledger)
    assert account.lost == 0, account
    assert account.acknowledged
    assert account.duplicates == 0
    for message in ("storage does not answer", "storage answers again"):
        assert any(message in line for line in server.log), message
    assert await server.terminate() == 0


async def _until_refused(server: Process) -> None:
    """Publish until it is refused, with the contract's reason."""
    async with (
        asyncio.timeout(PATIENCE),
        server.client(access.ROLE_PUBLISHER) as publisher,
    ):
        number = 1_000_000
        while (refused := await _refusal(publisher, number)) is None:
            number += 1
    assert refused.reason == "STORAGE_UNAVAILABLE"
    assert refused.retry_after


async def _refusal(publisher: AsyncClient, number: int) -> Unavailable | None:
    change = change_of_its_own(number)
    try:
        await publisher.changes.PublishChange(
            PublishChangeRequest(district_id=DISTRICT, change=change)
        )
    except Unavailable as error:
        return error
    except DeadlineExceeded:  # what hangs tells later than the caller waits
        return None
    return None


async def _shows_inactive(server: Process) -> None:
    await until_status(server, status_pb2.SERVICE_STATUS_INACTIVE)
    # Publishers are refused at once; the lease tells a moment later that nothing is written.
    async with asyncio.timeout(PATIENCE):
        while not await _is_unavailable(server):  # noqa: ASYNC110 - it is the server that is asked
            await asyncio.sleep(0.1)


async def _is_unavailable(server: Process) -> bool:
    codes = [warning.code for warning in (await status_of(server)).warnings]
    return status_pb2.WARNING_CODE_STORAGE_UNAVAILABLE in codes


def _limit_files(server: Process, size: int) -> None:
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def _set_read_only(database: Cluster, value: str) -> None:
    await database.execute(
        "SET default_transaction_read_only = off",
        f"ALTER SYSTEM SET default_transaction_read_only = {value}",
        "SELECT pg_reload_conf()",
    )
