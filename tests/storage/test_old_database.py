"""A database that an earlier Schoolbell made comes along to the present schema."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, select

from schoolbell_server.domain.kinds import Kind
from schoolbell_server.domain.kinds.registry import PAYLOADS, kind_of_key
from schoolbell_server.domain.principal import PrincipalType
from schoolbell_server.security.sealer import Sealer
from schoolbell_storage.audit import AuditQuery, list_audit
from schoolbell_storage.districts import get_district, read_settings
from schoolbell_storage.engine import Storage, open_storage
from schoolbell_storage.keys import KeyQuery, list_keys
from schoolbell_storage.migrate import migrate
from schoolbell_storage.tables import fact, metadata, revision
from tests.storage.engines import SQLITE, databases
from tests.storage.old_database import DISTRICT, FIRST, Row, old_database, old_rows, write_files

EVERY_KEY: dict[str, Any] = {"district_id": "-", "limit": 1000}


@databases()
async def test_the_saved_rows_are_all_there(database: str, tmp_path: Path) -> None:
    async with old_database(database, tmp_path) as url:
        storage = open_storage(url)
        async with storage.read() as connection:
            saved = await connection.run_sync(old_rows)
            assert await connection.run_sync(_revision) == FIRST
            found = await connection.run_sync(_found, saved)
        await storage.close()
        assert {name: len(rows) for name, rows in found.items()} == {
            name: len(rows) for name, rows in saved.items()
        }
        assert found == saved


@databases()
async def test_it_migrates_to_the_present_schema_and_stays_the_same_store(
    database: str, tmp_path: Path
) -> None:
    async with old_database(database, tmp_path) as url:
        storage = open_storage(url)
        before = await _store(storage)
        await migrate(storage)
        assert await _store(storage) == before
        async with storage.write() as connection:
            assert await connection.run_sync(_differences) == []
        await storage.close()


@databases()
async def test_who_acted_districts_of_keys_and_audit_retention_come_along(
    database: str, tmp_path: Path
) -> None:
    async with old_database(database, tmp_path) as url:
        storage = open_storage(url)
        async with storage.read() as connection:
            saved = await connection.run_sync(old_rows)
        await migrate(storage)
        async with storage.read() as connection:
            keys = {one.key_id: one for one in await list_keys(connection, KeyQuery(**EVERY_KEY))}
            entries = await list_audit(connection, AuditQuery(district_id=DISTRICT, limit=10_000))
            district = await get_district(connection, DISTRICT)
            settings = await read_settings(connection, DISTRICT)
        await storage.close()
    assert len(keys) == len(saved["api_key"]) > 1
    for old in saved["api_key"]:
        assert keys[old["key_id"]].district_ids == (old["district_id"],)
        assert keys[old["key_id"]].user_id == old["user_id"]
    callers = {old["audit_entry_id"]: old["caller"] for old in saved["audit_entry"]}
    assert {one.actor.principal.type for one in entries} > {PrincipalType.API_KEY}
    for one in entries:
        principal = one.actor.principal
        assert principal.id == callers[one.audit_entry_id]
        kinds = {PrincipalType.SYSTEM: "start"}
        if principal.type is PrincipalType.API_KEY:
            assert principal.id in keys
        else:
            assert principal.id == kinds.get(principal.type, principal.id)
    assert district is not None and district.audit_retention == dt.timedelta(days=800)
    assert settings is not None and settings.updater is not None
    assert settings.updater.type is PrincipalType.USER


async def test_its_keys_open_what_the_server_that_made_it_had_sealed(tmp_path: Path) -> None:
    write_files(tmp_path / "data")
    sealer = Sealer.load(tmp_path / "data" / "keys")
    async with old_database(SQLITE, tmp_path) as url:
        storage = open_storage(url)
        async with storage.read() as connection:
            devices = (await connection.run_sync(old_rows))["device"]
        await storage.close()
    sealed = [one for one in devices if one["address"] is not None]
    assert len(sealed) > 100
    for one in sealed:
        address = sealer.unseal(one["address"], one["device_id"].encode()).decode()
        assert address.endswith(one["address_tail"])


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


def _found(connection: Connection, saved: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Return the present rows of the saved tables, in the order of the saved ones."""
    tables = MetaData()
    tables.reflect(connection)
    return {name: _read(connection, tables.tables[name], rows) for name, rows in saved.items()}


def _read(connection: Connection, table: Table, saved: list[Row]) -> list[Row]:
    def key(row: Row) -> tuple[Any, ...]:
        return tuple(row[one.name] for one in table.primary_key.columns)

    order = {key(row): place for place, row in enumerate(saved)}
    columns = [one for one in table.columns if one.computed is None]
    found = [dict(row._mapping) for row in connection.execute(select(*columns))]
    return sorted(found, key=lambda row: order[key(row)])


async def _store(storage: Storage) -> str:
    async with storage.read() as connection:
        return str((await connection.execute(select(revision.c.store_id))).scalar_one())


@databases()
async def test_every_fact_has_the_kind_of_the_change_that_spoke_of_it(
    database: str, tmp_path: Path
) -> None:
    async with old_database(database, tmp_path) as url:
        storage = open_storage(url)
        await migrate(storage)
        async with storage.read() as connection:
            found = (await connection.execute(select(fact.c.fact_key, fact.c.kind))).all()
        await storage.close()
    words = {json.loads(row.fact_key)[0]: Kind(row.kind) for row in found}
    assert words == {payload.word: kind for kind, payload in PAYLOADS.items()}
    assert all(kind_of_key(row.fact_key) == row.kind for row in found)


@databases()
async def test_what_a_district_keeps_comes_along_by_name(database: str, tmp_path: Path) -> None:
    async with old_database(database, tmp_path) as url:
        storage = open_storage(url)
        async with storage.read() as connection:
            saved = await connection.run_sync(old_rows)
        await migrate(storage)
        async with storage.read() as connection:
            stored = [
                await read_settings(connection, one["district_id"]) for one in saved["district"]
            ]
        await storage.close()
    kept = [json.loads(one["settings"]).get("retention") for one in saved["district"]]
    assert any(kept)
    for old, new in zip(kept, stored, strict=True):
        assert new is not None
        days = [round(seconds / 86_400) for seconds in old[:2]] if old else [400, 90]
        retention = new.document.retention
        assert [retention.changes.days, retention.deliveries.days] == days
