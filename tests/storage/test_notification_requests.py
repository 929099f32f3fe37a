"""A request id stands for one test notification for a day, whichever server is asked."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from pathlib import Path

from sqlalchemy import text

from schoolbell_storage.engine import Storage, open_storage
from schoolbell_storage.notification_requests import (
    REMEMBERED,
    NotificationRequest,
    claim_request,
    forget_requests,
    read_request,
    store_answer,
)
from tests.storage.engines import database_url, databases, open_database
from tests.storage.phones import NOW

ASKED = NotificationRequest(
    district_id="maple", request_id="r1", user_id="mother", device_id="a", create_time=NOW
)
MICROSECOND = dt.timedelta(microseconds=1)


async def claim(storage: Storage, asked: NotificationRequest) -> NotificationRequest | None:
    async with storage.write() as connection:
        return await claim_request(connection, asked)


@databases()
async def test_of_two_servers_that_are_asked_at_once_one_sends(
    database: str, tmp_path: Path
) -> None:
    async with database_url(database, tmp_path) as url:
        servers = [open_storage(url) for _ in range(2)]
        found = await asyncio.gather(*(claim(one, ASKED) for one in 3 * servers))
        assert found.count(None) == 1
        assert {one for one in found if one} == {ASKED}
        async with servers[0].write() as connection:
            await store_answer(connection, ASKED, b"answer")
        for server in servers:
            assert await claim(server, ASKED) == replace(ASKED, answer=b"answer")
            await server.close()


@databases()
async def test_an_id_is_its_districts_and_forgotten_after_a_day(
    database: str, tmp_path: Path
) -> None:
    late = replace(ASKED, create_time=NOW + REMEMBERED - MICROSECOND, device_id="b")
    later = replace(late, create_time=NOW + REMEMBERED)
    async with open_database(database, tmp_path) as storage:
        assert await claim(storage, ASKED) is None
        assert await claim(storage, replace(ASKED, district_id="oak")) is None
        assert await claim(storage, replace(ASKED, request_id="r2")) is None
        assert await claim(storage, late) == ASKED
        async with storage.read() as connection:
            assert await read_request(connection, later) is None
        assert await claim(storage, later) is None
        async with storage.write() as connection:
            assert await forget_requests(connection, late.create_time, 10) == 0
            assert await forget_requests(connection, later.create_time, 1) == 1
            assert await forget_requests(connection, later.create_time, 10) == 1
            left = await connection.execute(text("SELECT device_id FROM test_notification"))
            assert left.scalars().all() == ["b"]
