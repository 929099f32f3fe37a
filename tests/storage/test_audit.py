"""The audit log is listed newest first, and an act is logged with what it changed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from schoolbell_storage.audit import (
    AuditEntry,
    AuditQuery,
    PrincipalFilter,
    append_audit,
    list_audit,
)
from schoolbell_storage.codec import to_micros
from schoolbell_storage.engine import Storage
from tests.storage.actors import acting
from tests.storage.engines import databases, open_database
from tests.storage.rosters import START


async def append(storage: Storage, day: int, caller: str, *targets: str) -> None:
    async with storage.write() as connection:
        await append_audit(
            connection,
            district_id="maple",
            now=START + dt.timedelta(days=day),
            actor=acting(caller),
            action="Update",
            changes=[(target, {"enabled": False}, {"enabled": True}) for target in targets],
        )


async def listed(storage: Storage, **query: object) -> list[AuditEntry]:
    async with storage.read() as connection:
        asked = AuditQuery(district_id="maple", **query)  # type: ignore[arg-type]
        return await list_audit(connection, asked)


@databases()
async def test_entries_are_listed_newest_first_page_by_page(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await append(storage, 0, "ada", "settings")
        await append(storage, 1, "ada", "calendars/1", "calendars/2", "calendars/3")
        await append(storage, 2, "bob", "settings")
        await append(storage, 3, "bob")
        seen: list[AuditEntry] = []
        before = None
        while page := await listed(storage, before=before, limit=2):
            seen += page
            before = (to_micros(page[-1].create_time), page[-1].audit_entry_id)
        assert seen == await listed(storage)
    assert [entry.create_time.day for entry in seen] == [3, 2, 2, 2, 1]
    assert len({entry.audit_entry_id for entry in seen}) == 5
    assert seen[0].before == {"enabled": False}
    assert seen[0].after == {"enabled": True}


@databases()
async def test_entries_are_found_by_caller_and_time(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await append(storage, 0, "ada", "settings")
        await append(storage, 1, "bob", "settings")
        day = dt.timedelta(days=1)
        assert [
            one.actor.principal.id
            for one in await listed(storage, principals=[PrincipalFilter(id="ada")])
        ] == ["ada"]
        assert [
            one.actor.principal.id for one in await listed(storage, start_time=START + day)
        ] == ["bob"]
        assert [one.actor.principal.id for one in await listed(storage, end_time=START + day)] == [
            "ada"
        ]
        assert await listed(storage, actions=["Create"]) == []
