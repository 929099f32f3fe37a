"""What is changed in an audit log, or taken out of it, is found; what is erased is not a fault."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from schoolbell_storage.audit import append_audit
from schoolbell_storage.audit_chain import (
    ChainFault,
    Check,
    Head,
    check_chain,
    check_export,
    export_line,
    link,
    seal,
)
from schoolbell_storage.engine import Storage
from schoolbell_storage.mentions import audit_mentions, lock_entries, renamed, rewrite_entry
from schoolbell_storage.persons import Person
from schoolbell_storage.tables import audit_chain, audit_entry
from tests.storage.actors import acting
from tests.storage.engines import databases, open_database
from tests.storage.rosters import MAPLE, START

COUNT = 12


@asynccontextmanager
async def log(database: str, folder: Path) -> AsyncIterator[Storage]:
    """Open a database with a log that is sealed."""
    async with open_database(database, folder) as storage:
        await write(storage, COUNT)
        yield storage


async def write(storage: Storage, count: int) -> list[dict[str, Any]]:
    async with storage.write() as connection:
        await append_audit(
            connection,
            district_id=MAPLE,
            now=START,
            actor=acting("ada"),
            action="a/b",
            changes=[(f"persons/p-{number}", {}, {"number": number}) for number in range(count)],
        )
        return await seal(connection, MAPLE, 1000)


async def check(storage: Storage, wanted: Head | None = None) -> Check:
    async with storage.read() as connection:
        return await check_chain(connection, MAPLE, wanted, page=5)


@databases()
async def test_a_log_that_nobody_touched_is_whole(database: str, tmp_path: Path) -> None:
    async with log(database, tmp_path) as storage:
        first = await check(storage)
        assert (first.fault, first.entries, first.first_sequence) == (None, COUNT, 1)
        assert first.head is not None and first.head.sequence == COUNT
        await write(storage, 1)
        later = await check(storage, first.head)
        assert (later.fault, later.entries) == (None, COUNT + 1)
        assert (await check(storage, Head(0, "0" * 64))).fault is ChainFault.HEAD_MISSING
        assert (await check(storage, Head(3, first.head.digest))).fault is ChainFault.HEAD_MISSING


def _of(sequence: int) -> Any:
    return audit_entry.c.sequence == sequence


TAMPERINGS: list[tuple[Any, ChainFault]] = [
    (update(audit_entry).where(_of(7)).values(after='{"number":8}'), ChainFault.CONTENT_CHANGED),
    (update(audit_entry).where(_of(7)).values(caller="bob"), ChainFault.CONTENT_CHANGED),
    (update(audit_entry).where(_of(7)).values(client_address="::1"), ChainFault.CONTENT_CHANGED),
    (update(audit_entry).where(_of(7)).values(commitment="0" * 64), ChainFault.LINK_BROKEN),
    (delete(audit_entry).where(_of(7)), ChainFault.ENTRY_MISSING),
    (delete(audit_entry).where(_of(COUNT)), ChainFault.ENTRY_MISSING),
    (delete(audit_entry), ChainFault.ENTRY_MISSING),
]


@databases()
@pytest.mark.parametrize("number", range(len(TAMPERINGS)))
async def test_what_was_tampered_with_is_found(database: str, tmp_path: Path, number: int) -> None:
    statement, fault = TAMPERINGS[number]
    async with log(database, tmp_path) as storage:
        async with storage.write() as connection:
            await connection.execute(statement)
        assert (await check(storage)).fault is fault


@databases()
async def test_a_chain_that_was_made_anew_lacks_the_head_that_somebody_kept(
    database: str, tmp_path: Path
) -> None:
    async with log(database, tmp_path) as storage:
        kept = (await check(storage)).head
        async with storage.write() as connection:
            await connection.execute(delete(audit_entry).where(_of(7)))
            await connection.execute(delete(audit_chain))
            await connection.execute(update(audit_entry).values(sequence=None, digest=""))
            await seal(connection, MAPLE, 1000)
        assert (await check(storage)).fault is None
        assert (await check(storage, kept)).fault is ChainFault.HEAD_MISSING


@databases()
async def test_an_erasure_leaves_the_chain_whole(database: str, tmp_path: Path) -> None:
    async with log(database, tmp_path) as storage:
        before = (await check(storage)).head
        person = Person(district_id=MAPLE, user_id="p-7", related=())
        async with storage.write() as connection:
            found = (await audit_mentions(connection, person, None, 100)).found
            for entry in await lock_entries(connection, found):
                await rewrite_entry(connection, renamed(entry, "p-7", "erased-1"))
        after = await check(storage, before)
        assert (after.fault, after.head, after.erased) == (None, before, 1)
        async with storage.read() as connection:
            rows = await connection.execute(select(audit_entry.c.target, audit_entry.c.salt))
            assert [row.salt == "" for row in rows if row.target == "persons/erased-1"] == [True]


@databases()
async def test_what_went_by_its_age_is_no_fault(database: str, tmp_path: Path) -> None:
    async with log(database, tmp_path) as storage:
        async with storage.write() as connection:
            await connection.execute(delete(audit_entry).where(audit_entry.c.sequence < 4))
        found = await check(storage)
        assert (found.fault, found.first_sequence, found.entries) == (None, 4, COUNT - 3)


@databases()
async def test_entries_that_are_older_than_the_chain_are_sealed_as_they_are(
    database: str, tmp_path: Path
) -> None:
    async with log(database, tmp_path) as storage:
        async with storage.write() as connection:
            await connection.execute(delete(audit_chain))
            bare = {"salt": "", "commitment": "", "sequence": None, "digest": ""}
            await connection.execute(update(audit_entry).values(bare))
            await seal(connection, MAPLE, 1000)
        assert (await check(storage)).fault is None
        async with storage.write() as connection:
            await connection.execute(update(audit_entry).where(_of(2)).values(action="x/y"))
        assert (await check(storage)).fault is ChainFault.CONTENT_CHANGED


@databases()
async def test_several_seal_at_once(database: str, tmp_path: Path) -> None:
    async with log(database, tmp_path) as storage:
        await asyncio.gather(*(write(storage, 3) for _ in range(8)))
        found = await check(storage)
        assert (found.fault, found.entries) == (None, COUNT + 24)


async def test_an_export_is_checked_by_itself(tmp_path: Path) -> None:
    async with open_database("sqlite", tmp_path) as storage:
        sealed = await write(storage, COUNT)
    lines = [export_line(one) for one in sealed]
    found = check_export([*lines, *lines[-3:]])[MAPLE]
    assert (found.fault, found.entries) == (None, COUNT)
    head = found.head
    assert head is not None and head.digest == sealed[-1]["digest"]
    assert check_export(lines, Head(0, head.digest))[MAPLE].fault is None
    assert check_export(lines[:-1], Head(0, head.digest))[MAPLE].fault is ChainFault.HEAD_MISSING
    assert check_export(lines[:3] + lines[4:])[MAPLE].fault is ChainFault.ENTRY_MISSING
    forged = json.loads(lines[5])
    forged["target"] = "persons/somebody-else"
    assert check_export([*lines, json.dumps(forged)])[MAPLE].fault is ChainFault.CONTENT_CHANGED
    for line in ("[]", "{}", "{broken"):
        with pytest.raises(ValueError, match=r"line 1 is no entry"):
            check_export([line])
    again = check_export([*lines, lines[4], json.dumps(json.loads(lines[4]) | {"salt": ""}), " "])
    assert (again[MAPLE].replaced, again[MAPLE].erased) == (1, 1)
    for name, value in (
        ("sequence", "6"),
        ("sequence", 6.0),
        ("sequence", True),
        ("sequence", [6]),
        ("district_id", ["maple"]),
        ("digest", None),
        ("target", {}),
    ):
        odd = json.dumps(json.loads(lines[5]) | {name: value})
        with pytest.raises(ValueError, match=rf"line 6 .*{name}"):
            check_export([*lines[:5], odd])
    for line in ("[" * 50_000, lines[5][:-9], f"\ufeff{lines[5]}"):
        with pytest.raises(ValueError, match=r"line 6 is no entry"):
            check_export([*lines[:5], line])


def test_a_digest_depends_on_everything_before() -> None:
    assert link("", "a") != link("a", "")
    assert len(link("", "a")) == 64
