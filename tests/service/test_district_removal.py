"""A deleted district leaves nothing behind, and nobody else loses anything."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from sqlalchemy import MetaData, select

from schoolbell.errors import AlreadyExists, InvalidArgument, NotFound, SchoolbellError
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import district_service_pb2 as districts
from schoolbell.v1.status_service_pb2 import GetStatusRequest
from schoolbell_server.background.stopping import Stop
from schoolbell_server.config import RetentionConfig
from schoolbell_server.maintenance.janitor import Janitor
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.rpc.authentication import utc_now
from schoolbell_server.servicers.district import removal as district_removal
from schoolbell_storage.district_removal import OF_NO_DISTRICT, drop_district, drop_records
from schoolbell_storage.engine import Storage
from schoolbell_storage.tables import metadata
from tests.service.following import PATIENCE
from tests.service.granting import add_district, create, entries
from tests.service.scene import STUDENT, lunch, phone, publish, register, upsert
from tests.service.stored import stored
from tests.service.test_permissions import Calls, _calls, plain
from tests.service.test_person_data import live
from tests.service.test_sources import user
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import databases
from tests.unit.contract import methods

OAK = "oak-county"
ADMINISTRATOR, OPERATOR = access.ROLE_ADMINISTRATOR, access.ROLE_OPERATOR


async def rows(storage: Storage) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table that the database really has."""
    tables = MetaData()
    async with storage.read() as connection:
        await connection.run_sync(tables.reflect)
        return {
            table.name: [dict(row._mapping) for row in await connection.execute(select(table))]
            for table in tables.sorted_tables
        }


async def delete(service: Whole, district_id: str = DISTRICT, **fields: Any) -> int:
    request = districts.DeleteDistrictRequest(
        **{"district_id": district_id, "confirm_district_id": district_id, **fields}
    )
    async with service.client() as operator:
        return (await operator.districts.DeleteDistrict(request)).record_count


async def test_its_id_has_to_be_repeated(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        for confirmed in ("", OAK):
            with pytest.raises(InvalidArgument) as refused:
                await delete(service, confirm_district_id=confirmed)
            assert [bad.path for bad in refused.value.fields] == ["confirm_district_id"]
        async with service.client() as operator:
            await operator.districts.GetDistrict(districts.GetDistrictRequest(district_id=DISTRICT))


@databases()
async def test_nothing_of_a_deleted_district_is_left_and_others_keep_theirs(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(district_removal, "_STEP", 7)
    async with whole(tmp_path, database=database) as service:
        await live(service)
        await add_district(service, OAK)
        async with service.client() as operator:
            both = await create(operator, district_ids=[DISTRICT, OAK])
            kept = await entries(operator, OAK)
        would = await delete(service, validate_only=True)
        assert would > 60
        assert await delete(service, validate_only=True) == would
        assert await delete(service) == would
        assert await delete(service) == 0
        async with stored(service) as storage:
            for table, found in (await rows(storage)).items():
                named = [row for row in found if DISTRICT in str(row)]
                named = [row for row in named if row.get("district_id") != "-"]
                if table == "audit_entry":  # what was done with a key of several districts
                    named = [row for row in named if row["district_id"] != OAK]
                assert named == [], table
                if table in ("subscription", "device", "delivery", "roster_stage", "tool_right"):
                    assert found == [], table
        async with service.client_of(both.secret) as client:
            await client.status.GetStatus(GetStatusRequest(district_id=OAK))
            caller = await client.access.GetCaller(access.GetCallerRequest())
            assert list(caller.district_ids) == [OAK]
        async with service.client() as operator:
            assert await entries(operator, OAK) == kept
            last, first = await entries(operator, "-", subjects=[f"districts/{DISTRICT}"])
            assert first.principal.id == service.key(OPERATOR).split("_")[1]
            assert MessageToDict(first.after)["display_name"] == "Maple County"
            assert MessageToDict(last.after) == {"step": 2, "records": would}


def test_every_table_is_looked_at_or_is_of_no_district() -> None:
    for table in metadata.sorted_tables:
        of_a_district = {"district_id", "device_id"} & {column.name for column in table.c}
        assert table in OF_NO_DISTRICT or of_a_district or table.name == "api_key", table.name


@databases()
async def test_what_is_called_for_a_deleted_district_is_not_found_and_writes_nothing(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await service.create_district()
        async with service.client() as operator:
            for role in (access.ROLE_PUBLISHER, access.ROLE_MOBILE_BACKEND, access.ROLE_MONITOR):
                service._keys[role] = (await create(operator, "-", role=role)).secret
        await delete(service)
        for role in (*access.Role.values()[1:4], OPERATOR):
            async with _calls(service, role) as calls:
                await _all(calls)
        for writing in (
            publish(service, lunch("l1", 4)),
            register(service, phone(STUDENT)),
            upsert(service, user("somebody")),
        ):
            with pytest.raises(NotFound) as refused:
                await writing
            assert refused.value.reason == "DISTRICT_NOT_FOUND"
        async with service.client() as operator:
            for call in (
                operator.status.GetStatus(GetStatusRequest(district_id=DISTRICT)),
                operator.districts.GetDistrict(districts.GetDistrictRequest(district_id=DISTRICT)),
                create(operator),
            ):
                with pytest.raises(NotFound) as refused:
                    await call
                assert refused.value.reason == "DISTRICT_NOT_FOUND"
        with pytest.raises(SchoolbellError) as unknown:
            async with service.client(ADMINISTRATOR) as client:
                await client.access.GetCaller(access.GetCallerRequest())
        assert unknown.value.reason == "UNAUTHENTICATED"
        async with stored(service) as storage:
            for table, found in (await rows(storage)).items():
                assert not [row for row in found if row.get("district_id") == DISTRICT], table


async def _all(calls: Calls) -> None:
    for method in methods():
        if method.name not in ("CreateDistrict", "DeleteDistrict"):
            await calls.send(method, plain(method))


@databases()
async def test_what_a_server_left_behind_is_finished_and_keeps_its_id(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await live(service)
        async with stored(service) as storage:
            await delete(service, OAK)
            # As a server that ends after the first steps leaves it.
            async with storage.write() as connection:
                assert await drop_district(connection, DISTRICT)
            async with storage.write() as connection:
                assert 1 <= await drop_records(connection, DISTRICT, 5) <= 5
            with pytest.raises(AlreadyExists) as refused:
                await add_district(service, DISTRICT)
            assert refused.value.reason == "DISTRICT_EXISTS"
            assert await delete(service) > 50
            await add_district(service, DISTRICT)
            async with storage.write() as connection:
                assert await drop_records(connection, DISTRICT, 5) == 0, "it is there again"


@databases()
async def test_the_janitor_finishes_a_deletion(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await live(service)
        async with stored(service) as storage:
            before = await rows(storage)
            await delete(service)
            late = [row for row in before["device"] if row["district_id"] == DISTRICT]
            async with storage.write() as connection:
                await connection.execute(metadata.tables["device"].insert(), late)
            janitor = Janitor(storage, RetentionConfig(), Metrics(), utc_now)
            async with asyncio.timeout(PATIENCE):
                await janitor.round(Stop())
            assert (await rows(storage))["device"] == []
