"""Keys and rights: made, shown without their secrets, ended at once, and all of it on record."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from schoolbell import AsyncClient
from schoolbell.errors import (
    InvalidArgument,
    NotFound,
    PermissionDenied,
    SchoolbellError,
    Unauthenticated,
)
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1.settings_service_pb2 import GetSettingsRequest
from schoolbell.v1.status_service_pb2 import GetStatusRequest, WatchStatusRequest
from schoolbell_storage import rights
from tests.service.following import PATIENCE
from tests.service.granting import (
    ACCESS,
    GROUP,
    READ,
    SETTINGS,
    WRITE,
    create,
    end,
    entries,
    grant,
    keys,
    revoke,
    right,
)
from tests.service.paging import pages
from tests.service.scene import at
from tests.service.stored import stored
from tests.service.whole import DISTRICT, whole
from tests.storage.engines import databases

YEAR = dt.timedelta(days=365)


async def watch_once(client: AsyncClient) -> None:
    await client.status.GetStatus(GetStatusRequest(district_id=DISTRICT))


@databases()
async def test_a_new_key_works_and_its_secret_is_shown_once(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await service.create_district()
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            before = dt.datetime.now(dt.UTC)
            made = await create(client, display_name="monitor", sources=["sis", "lunch"])
            key = made.api_key
            assert made.secret.startswith(f"sb_{key.api_key_id}_")
            assert key.secret_tail == made.secret[-4:]
            assert (key.display_name, key.role) == ("monitor", access.ROLE_MONITOR)
            assert sorted(key.sources) == ["lunch", "sis"]
            life = key.expire_time.ToDatetime(dt.UTC) - key.create_time.ToDatetime(dt.UTC)
            assert life == YEAR
            assert key.create_time.ToDatetime(dt.UTC) >= before
            assert key in await keys(client)
            async with service.client_of(made.secret) as monitor:
                await watch_once(monitor)
            secret = made.secret.split("_", 2)[2]
            for entry in await entries(client):
                assert secret not in str(MessageToDict(entry))


@databases()
async def test_a_revoked_key_ends_at_once_and_takes_its_open_stream_along(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await service.create_district()
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            made = await create(client)
            async with service.client_of(made.secret) as monitor:
                await watch_once(monitor)
                stream = monitor.status.WatchStatus(WatchStatusRequest(district_id=DISTRICT))
                assert await stream.read()
                revoked = await end(client, made.api_key.api_key_id)
                assert revoked.HasField("revoke_time")
                with pytest.raises(Unauthenticated) as refused:
                    await watch_once(monitor)
                assert refused.value.reason == "KEY_REVOKED"
                cut = await _end_of(stream)
                assert cut.reason == "KEY_REVOKED"
            assert await end(client, made.api_key.api_key_id) == revoked
            assert revoked not in await keys(client)
            assert revoked in await keys(client, ended=True)


async def _end_of(stream: Any) -> SchoolbellError:
    """Return what a stream ends with."""
    try:
        async with asyncio.timeout(PATIENCE):
            async for _ in stream:
                pass
    except SchoolbellError as error:
        return error
    pytest.fail("the stream ended well")


async def test_a_key_is_only_its_districts(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        async with service.client() as operator:
            everywhere = await create(operator, "-")
            assert everywhere.api_key in await keys(operator, "-")
            assert everywhere.api_key not in await keys(operator)
            with pytest.raises(NotFound) as refused:
                await end(operator, everywhere.api_key.api_key_id)
            assert refused.value.reason == "API_KEY_NOT_FOUND"
            with pytest.raises(NotFound) as refused:
                await end(operator, "nothing", "-")
            assert refused.value.reason == "API_KEY_NOT_FOUND"
            with pytest.raises(NotFound) as refused:
                await create(operator, "oak-county")
            assert refused.value.reason == "DISTRICT_NOT_FOUND"
            with pytest.raises(NotFound) as refused:
                await operator.access.GrantRights(
                    access.GrantRightsRequest(
                        district_id="oak-county", rights=[right("ada", ACCESS, READ)]
                    )
                )
            assert refused.value.reason == "DISTRICT_NOT_FOUND"
            await end(operator, everywhere.api_key.api_key_id, "-")


async def test_nobody_makes_a_key_that_may_do_more_than_they(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            with pytest.raises(PermissionDenied):
                await create(client, role=access.ROLE_OPERATOR)
            for call in (create(client, "-"), keys(client, "-"), end(client, "any", "-")):
                with pytest.raises(PermissionDenied):
                    await call
            assert {key.role for key in await keys(client)} == set(access.Role.values()[1:5])
        async with service.client() as operator:
            made = await create(operator, role=access.ROLE_OPERATOR)
        async with service.client_of(made.secret) as district_operator:
            assert made.api_key in await keys(district_operator)
            with pytest.raises(PermissionDenied):
                await create(district_operator, "-")


BAD_KEYS: list[tuple[dict[str, Any], str]] = [
    ({"display_name": ""}, "display_name"),
    ({"display_name": "x" * 1025}, "display_name"),
    ({"role": 0}, "role"),
    ({"role": 9}, "role"),
    ({"role": access.ROLE_ADMINISTRATOR}, "user_id"),
    ({"user_id": "\0"}, "user_id"),
    ({"sources": ["sis", ""]}, "sources[1]"),
    ({"sources": [f"s-{number}" for number in range(101)]}, "sources"),
    ({"expire_time": Timestamp(seconds=1)}, "expire_time"),
    ({"expire_time": Timestamp(seconds=10**12)}, "expire_time"),
]


async def test_a_bad_key_is_refused_by_its_field(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        async with service.client() as operator:
            before = await keys(operator, ended=True)
            for fields, field in BAD_KEYS:
                with pytest.raises(InvalidArgument) as refused:
                    await create(operator, **fields)
                assert [bad.path for bad in refused.value.fields] == [f"api_key.{field}"], fields
            assert await keys(operator, ended=True) == before


async def test_an_administrator_is_of_one_district_and_a_key_is_named(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        async with service.client() as operator:
            with pytest.raises(InvalidArgument) as refused:
                await create(operator, "-", role=access.ROLE_ADMINISTRATOR, user_id="ada")
            assert [bad.path for bad in refused.value.fields] == ["api_key.role"]
            with pytest.raises(InvalidArgument) as refused:
                await end(operator, "")
            assert [bad.path for bad in refused.value.fields] == ["api_key_id"]


async def test_an_expired_key_is_refused_and_listed_only_when_asked_for(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        async with service.client() as operator:
            moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
            made = await create(operator, expire_time=at(moment))
            async with service.client_of(made.secret) as monitor:
                refused = await _refusal(monitor)
            assert refused.reason == "KEY_EXPIRED"
            assert made.api_key not in await keys(operator)
            assert made.api_key in await keys(operator, ended=True)


async def _refusal(client: AsyncClient) -> SchoolbellError:
    """Call until the key is refused."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await watch_once(client)
            except SchoolbellError as error:
                return error


async def test_keys_are_listed_page_by_page(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        request = access.ListApiKeysRequest(district_id=DISTRICT, page_size=3)
        async with service.client() as operator:
            found = [
                list(page.api_keys) async for page in pages(operator.access.ListApiKeys, request)
            ]
            assert [len(page) for page in found] == [3, 1]
            assert [key for page in found for key in page] == await keys(operator)


@databases()
async def test_rights_hold_from_the_next_call_on(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await service.create_district()
        async with service.client() as operator:
            made = await create(operator, role=access.ROLE_ADMINISTRATOR, user_id="ada")
            async with service.client_of(made.secret) as ada:
                read = GetSettingsRequest(district_id=DISTRICT)
                with pytest.raises(PermissionDenied) as refused:
                    await ada.settings.GetSettings(read)
                assert refused.value.metadata["tool"] == "PUSH_NOTIFICATIONS"
                await grant(operator, right("ada", SETTINGS, READ))
                await ada.settings.GetSettings(read)
                await revoke(operator, right("ada", SETTINGS, READ))
                with pytest.raises(PermissionDenied):
                    await ada.settings.GetSettings(read)


async def test_rights_are_granted_up_and_revoked_down(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            bobs = right("bob", ACCESS, WRITE)
            assert await grant(client, bobs) == [bobs]
            given = await grant(client, right("ada", SETTINGS, READ), right("ada", ACCESS, WRITE))
            assert given == [right("ada", SETTINGS, READ), right("ada", ACCESS, WRITE)]
            given = await grant(client, right("ada", SETTINGS, WRITE), right("ada", ACCESS, READ))
            assert given == [right("ada", SETTINGS, WRITE), right("ada", ACCESS, WRITE)]
            left = await revoke(client, right("ada", SETTINGS, WRITE), right("ada", ACCESS, READ))
            assert left == [right("ada", SETTINGS, READ)]
            assert await revoke(client, right("ada", SETTINGS, WRITE)) == left
            assert await revoke(client, right("ada", SETTINGS, READ)) == []
            assert await revoke(client, right("nobody", SETTINGS, READ)) == []
            answer = await client.access.ListRights(
                access.ListRightsRequest(district_id=DISTRICT, grantee_id="bob")
            )
            assert list(answer.rights) == [bobs]


async def test_rights_are_listed_by_grantee_and_tool_page_by_page(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            mine = [right("ada", SETTINGS, READ), right("ada", ACCESS, WRITE)]
            others = [right("zoe", ACCESS, READ), right("ada", ACCESS, READ, GROUP)]
            await grant(client, others[0], *mine)
            group = rights.RightRow(GROUP, "ada", ACCESS, READ)
            async with stored(service) as storage, storage.write() as connection:
                await rights.grant(connection, DISTRICT, [group])
            request = access.ListRightsRequest(district_id=DISTRICT, page_size=3)
            found: list[access.ToolRight] = []
            async for page in pages(client.access.ListRights, request):
                assert len(page.rights) <= 3
                found += page.rights
            principals = [right("principal", tool, WRITE) for tool in access.Tool.values()[1:]]
            assert found == [*mine, *principals, *others]
            answer = await client.access.ListRights(
                access.ListRightsRequest(district_id=DISTRICT, tool=ACCESS, grantee_id="ada")
            )
            assert list(answer.rights) == [mine[1], others[1]]


BAD_RIGHTS: list[tuple[list[access.ToolRight], str]] = [
    ([], "rights"),
    ([right(f"u-{number}", ACCESS, READ) for number in range(101)], "rights"),
    ([right("", ACCESS, READ)], "rights[0].grantee_id"),
    ([right("ada", ACCESS, READ), right("ada", 0, READ)], "rights[1].tool"),
    ([right("ada", 9, READ)], "rights[0].tool"),
    ([right("ada", ACCESS, 0)], "rights[0].right"),
    ([right("ada", ACCESS, READ, 0)], "rights[0].grantee_type"),
    ([right("\0", ACCESS, READ)], "rights[0].grantee_id"),
]


async def test_bad_rights_are_refused_by_their_field(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        async with service.client() as operator:
            for named, field in BAD_RIGHTS:
                for change in (grant, revoke):
                    with pytest.raises(InvalidArgument) as refused:
                        await change(operator, *named)
                    assert [bad.path for bad in refused.value.fields] == [field], named


async def test_the_audit_log_says_who_changed_what(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            start = len(await entries(client))
            made = await create(client, display_name="monitor")
            await grant(client, right("ada", SETTINGS, READ), right("ada", ACCESS, WRITE))
            await grant(client, right("ada", SETTINGS, WRITE), right("ada", ACCESS, READ))
            await revoke(client, right("ada", ACCESS, READ))
            await end(client, made.api_key.api_key_id)
            for call in (
                end(client, made.api_key.api_key_id),
                grant(client, right("ada", SETTINGS, READ)),
                revoke(client, right("ada", ACCESS, WRITE)),
            ):
                await call
            found = await entries(client)
        new = [_told(entry) for entry in reversed(found[: len(found) - start])]
        key = f"keys/{made.api_key.api_key_id}"
        created = {
            "role": "MONITOR",
            "display_name": "monitor",
            "user_id": "",
            "district_ids": [DISTRICT],
            "sources": [],
        }
        settings, rights = "rights/user/ada/PUSH_NOTIFICATIONS", "rights/user/ada/ACCESS"
        assert new[0] == ("CreateApiKey", key, {}, created)
        assert sorted(new[1:3], key=lambda one: one[1]) == [
            ("GrantRights", rights, {}, {"right": "WRITE"}),
            ("GrantRights", settings, {}, {"right": "READ"}),
        ]
        assert new[3:] == [
            ("GrantRights", settings, {"right": "READ"}, {"right": "WRITE"}),
            ("RevokeRights", rights, {"right": "WRITE"}, {}),
            ("RevokeApiKey", key, {"revoked": False}, {"revoked": True}),
        ]
        (key_id,) = {entry.principal.id for entry in found[: len(new)]}
        assert key_id == service.key(access.ROLE_ADMINISTRATOR).split("_")[1]
        assert {entry.principal.acting_user_id for entry in found[: len(new)]} == {"principal"}


def _told(entry: access.AuditEntry) -> tuple[str, str, dict[str, Any], dict[str, Any]]:
    service, _, method = entry.method.partition("/")
    assert service == "schoolbell.v1.AccessService"
    return method, entry.subject, MessageToDict(entry.before), MessageToDict(entry.after)
