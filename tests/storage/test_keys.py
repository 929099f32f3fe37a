"""API keys and tool rights: stored, listed, ended; and found by whoever shows one."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.security.api_key import Right, Role, Tool, new_api_key
from schoolbell_server.security.key_store import CACHE, StoredKeys, key_of, row_of
from schoolbell_storage.engine import Storage
from schoolbell_storage.keys import ApiKeyRow, KeyQuery, find_key, insert_key, list_keys, revoke_key
from schoolbell_storage.rights import (
    RightQuery,
    RightRow,
    grant,
    list_rights,
    revoke,
    rights_of,
)
from tests.storage.api_keys import DAY, NOW, key
from tests.storage.engines import SQLITE, databases, open_database

USER, GROUP = 1, 2


async def store(storage: Storage, *rows: ApiKeyRow) -> None:
    async with storage.write() as connection:
        for row in rows:
            await insert_key(connection, row)


async def end(storage: Storage, key_id: str, now: dt.datetime = NOW) -> ApiKeyRow | None:
    async with storage.write() as connection:
        await revoke_key(connection, key_id, now)
        return await find_key(connection, key_id)


@databases()
async def test_a_key_is_read_as_it_was_stored(database: str, tmp_path: Path) -> None:
    rows = key("a"), key("b", sources=(), expire_time=None, user_id="ada", role=4)
    async with open_database(database, tmp_path) as storage:
        await store(storage, *rows)
        async with storage.read() as connection:
            assert [await find_key(connection, row.key_id) for row in rows] == list(rows)
            assert await find_key(connection, "c") is None


@databases()
async def test_keys_come_page_by_page_and_ended_ones_when_asked_for(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        await store(
            storage,
            *(key(name) for name in "dcab"),
            key("e", expire_time=NOW),
            key("f", expire_time=None),
            key("g", district_ids=("oak",)),
            key("h", district_ids=("maple", "oak"), role=3),
        )
        await end(storage, "c")
        async with storage.read() as connection:
            living = await list_keys(connection, KeyQuery(district_id="maple", living_at=NOW))
            here = await list_keys(connection, KeyQuery(district_id="maple"))
            page = await list_keys(connection, KeyQuery(district_id="maple", after="b", limit=2))
            every = await list_keys(connection, KeyQuery(district_id="-"))
            watching = await list_keys(connection, KeyQuery(district_id="oak", role=3))
    assert [row.key_id for row in living] == ["a", "b", "d", "f", "h"]
    assert [row.key_id for row in here] == ["a", "b", "c", "d", "e", "f", "h"]
    assert [row.key_id for row in page] == ["c", "d"]
    assert [row.key_id for row in every] == list("abcdefgh")
    assert [row.district_ids for row in watching] == [("maple", "oak")]


@databases()
async def test_a_key_is_revoked_once(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await store(storage, key("a"))
        assert await end(storage, "b") is None
        first = await end(storage, "a")
        assert first == dataclasses.replace(key("a"), revoke_time=NOW)
        assert await end(storage, "a", NOW + DAY) == first


@databases()
async def test_rights_are_granted_up_and_revoked_down(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage, storage.write() as connection:

        async def now() -> list[tuple[str, int, int]]:
            found = await list_rights(connection, RightQuery(district_id="maple"))
            return [(row.grantee_id, row.tool, row.granted) for row in found]

        await grant(connection, "maple", [RightRow(USER, "ada", 1, 2), RightRow(USER, "ada", 4, 1)])
        await grant(connection, "maple", [RightRow(USER, "ada", 1, 1), RightRow(USER, "ada", 4, 2)])
        assert await now() == [("ada", 1, 2), ("ada", 4, 2)]
        await revoke(connection, "maple", [RightRow(USER, "ada", 1, 2)])
        assert await now() == [("ada", 1, 1), ("ada", 4, 2)]
        await revoke(connection, "maple", [RightRow(USER, "ada", 1, 2)])
        assert await now() == [("ada", 1, 1), ("ada", 4, 2)]
        await revoke(connection, "maple", [RightRow(USER, "ada", 4, 1)])
        assert await now() == [("ada", 1, 1)]
        await revoke(connection, "oak", [RightRow(USER, "ada", 1, 1)])
        assert await now() == [("ada", 1, 1)]


@databases()
async def test_rights_are_listed_by_grantee_and_tool(database: str, tmp_path: Path) -> None:
    rights = [
        RightRow(USER, "ada", 1, 2),
        RightRow(USER, "ada", 3, 1),
        RightRow(USER, "bob", 1, 1),
        RightRow(GROUP, "ada", 1, 1),
    ]
    async with open_database(database, tmp_path) as storage, storage.write() as connection:

        async def listed(**query: object) -> list[RightRow]:
            asked = RightQuery(district_id="maple", **query)  # type: ignore[arg-type]
            return list(await list_rights(connection, asked))

        await grant(connection, "maple", rights[::-1])
        await grant(connection, "oak", [RightRow(USER, "ada", 2, 2)])
        assert await listed() == rights
        assert await listed(grantee_ids=["ada"]) == [rights[0], rights[1], rights[3]]
        assert await listed(tool=1) == [rights[0], rights[2], rights[3]]
        assert await listed(after=(USER, "ada", 1), limit=2) == rights[1:3]
        assert await rights_of(connection, ["maple", "oak"], "ada") == {
            "maple": {1: 2, 3: 1},
            "oak": {2: 2},
        }


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@databases()
async def test_a_stored_key_is_found_with_its_persons_rights(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        made, _ = new_api_key(
            district_ids=["maple"],
            role=Role.ADMINISTRATOR,
            display_name="console",
            sources=frozenset({"sis"}),
            user_id="ada",
            expire_time=NOW,
        )
        await store(storage, row_of(made, NOW, "operator", "cdef"))
        async with storage.write() as connection:
            await grant(connection, "maple", [RightRow(USER, "ada", 4, 2)])
            await grant(connection, "maple", [RightRow(GROUP, "ada", 1, 2)])
            await grant(connection, "oak", [RightRow(USER, "ada", 2, 2)])
        found = await StoredKeys(storage).find(made.key_id)
        assert found == dataclasses.replace(made, rights={"maple": {Tool.ACCESS: Right.WRITE}})
        assert await StoredKeys(storage).find("nobody") is None


async def test_a_key_is_remembered_for_a_while_unless_told_to_forget(tmp_path: Path) -> None:
    clock = Clock()
    async with open_database(SQLITE, tmp_path) as storage:
        await store(storage, key("a"), key("b"))
        keys = StoredKeys(storage, clock)
        assert await keys.find("a") == await keys.find("a") == key_of(key("a"), {})
        assert await keys.find("b") == key_of(key("b"), {})
        await end(storage, "a")
        await end(storage, "b")
        clock.seconds += CACHE - 0.1
        known = await keys.find("a")
        assert known is not None and known.revoke_time is None
        keys.forget()
        known = await keys.find("a")
        assert known is not None and known.revoke_time == NOW
        clock.seconds += CACHE
        known = await keys.find("b")
        assert known is not None and known.revoke_time == NOW


class SlowReads:
    """A storage whose reads are answered only when released."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.read_one = asyncio.Event()
        self.released = asyncio.Event()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        async with self._storage.read() as connection:
            yield connection
        self.read_one.set()
        await self.released.wait()


async def test_a_key_that_was_read_before_its_end_is_not_remembered(tmp_path: Path) -> None:
    async with open_database(SQLITE, tmp_path) as storage:
        await store(storage, key("a"))
        slow = SlowReads(storage)
        keys = StoredKeys(cast(Storage, slow))
        finding = asyncio.create_task(keys.find("a"))
        await asyncio.wait_for(slow.read_one.wait(), 60)
        await end(storage, "a")
        keys.forget()
        slow.released.set()
        await finding
        known = await keys.find("a")
        assert known is not None and known.revoke_time == NOW


@databases()
async def test_the_operators_key_is_stored_once(database: str, tmp_path: Path) -> None:
    made, _ = new_api_key(district_ids=["-"], role=Role.OPERATOR, display_name="operator")
    async with open_database(database, tmp_path) as storage:
        keys = StoredKeys(storage)
        assert await keys.ensure(made, NOW) == ""
        assert await keys.ensure(dataclasses.replace(made, display_name="another"), NOW) == ""
        assert await keys.find(made.key_id) == made


@databases()
async def test_a_key_whose_file_is_good_for_nothing_is_noticed(
    database: str, tmp_path: Path
) -> None:
    made, _ = new_api_key(district_ids=["-"], role=Role.OPERATOR, display_name="operator")
    async with open_database(database, tmp_path) as storage:
        keys = StoredKeys(storage)
        await keys.ensure(made, NOW)
        other = dataclasses.replace(made, secret_hash="of another installation")
        assert await keys.ensure(other, NOW) == "has another secret in the database"
        await end(storage, made.key_id)
        assert await keys.ensure(made, NOW) == "was revoked"
