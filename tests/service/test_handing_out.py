"""Nobody hands out what they do not hold, and nobody locks the last door behind themselves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from schoolbell.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from schoolbell.v1 import access_service_pb2 as access
from tests.service.granting import (
    ACCESS,
    GROUP,
    READ,
    SETTINGS,
    WRITE,
    administrator,
    create,
    end,
    entries,
    grant,
    keys,
    revoke,
    right,
)
from tests.service.whole import DISTRICT, whole
from tests.storage.engines import databases

EXPLAIN, BARS = access.TOOL_EXPLANATIONS, access.TOOL_BARS


async def test_a_clerk_with_access_alone_makes_keys_for_nobody_else(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        secret = await administrator(service, "clerk", right("clerk", ACCESS, WRITE))
        async with service.client_of(secret) as clerk:
            before = len(await keys(clerk))
            for fields in (
                {"role": access.ROLE_ADMINISTRATOR, "user_id": "principal"},
                {"role": access.ROLE_MOBILE_BACKEND},
                {"role": access.ROLE_PUBLISHER},
                {"role": access.ROLE_MONITOR},
                {"role": access.ROLE_OPERATOR},
            ):
                with pytest.raises(PermissionDenied):
                    await create(clerk, **fields)
            assert len(await keys(clerk)) == before
            own = await create(clerk, role=access.ROLE_ADMINISTRATOR)
            assert own.api_key.user_id == "clerk"
            newest = (await entries(clerk))[0]
            assert newest.principal.id == secret.split("_")[1]
            assert newest.principal.acting_user_id == "clerk"


async def test_nobody_grants_what_they_do_not_have(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        rights = (right("clerk", ACCESS, WRITE), right("clerk", SETTINGS, READ))
        secret = await administrator(service, "clerk", *rights)
        async with service.client_of(secret) as clerk:
            for wanted in (
                right("clerk", SETTINGS, WRITE),
                right("clerk", EXPLAIN, READ),
                right("accomplice", BARS, WRITE),
                right("accomplice", SETTINGS, WRITE),
            ):
                with pytest.raises(PermissionDenied) as refused:
                    await grant(clerk, right("accomplice", SETTINGS, READ), wanted)
                assert refused.value.metadata["tool"] == access.Tool.Name(wanted.tool)[5:]
            answer = await clerk.access.ListRights(
                access.ListRightsRequest(district_id=DISTRICT, grantee_id="accomplice")
            )
            assert not answer.rights
            assert await grant(clerk, right("accomplice", SETTINGS, READ))


async def test_a_group_is_granted_nothing_until_credentials_name_groups(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        async with service.client() as operator:
            with pytest.raises(InvalidArgument) as refused:
                await grant(operator, right("office", ACCESS, READ, GROUP))
            assert [bad.path for bad in refused.value.fields] == ["rights[0].grantee_type"]
            assert await revoke(operator, right("office", ACCESS, READ, GROUP)) == []


async def test_a_role_whose_sources_mean_nothing_has_none(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        async with service.client() as operator:
            for role in (access.ROLE_MOBILE_BACKEND, access.ROLE_OPERATOR):
                with pytest.raises(InvalidArgument) as refused:
                    await create(operator, role=role, sources=["sis"])
                assert [bad.path for bad in refused.value.fields] == ["api_key.sources"]
            with pytest.raises(InvalidArgument) as refused:
                await create(operator, role=access.ROLE_OPERATOR, user_id="somebody")
            assert [bad.path for bad in refused.value.fields] == ["api_key.user_id"]


@databases()
async def test_the_last_access_of_a_district_is_not_taken_away_from_within(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await service.create_district()
        own = right("principal", ACCESS, WRITE)
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            key_id = service.key(access.ROLE_ADMINISTRATOR).split("_")[1]
            for call in (
                revoke(client, own),
                revoke(client, right("principal", ACCESS, READ)),
                end(client, key_id),
            ):
                with pytest.raises(FailedPrecondition) as refused:
                    await call
                assert refused.value.reason == "LAST_ACCESS"
                assert refused.value.metadata == {"district_id": DISTRICT}
            # A right without a key is no way in, nor is a key without the right.
            await grant(client, right("ada", ACCESS, WRITE))
            with pytest.raises(FailedPrecondition):
                await revoke(client, own)
            await administrator(service, "ada")
            assert own not in await revoke(client, own)
        async with service.client() as operator:
            await revoke(operator, right("ada", ACCESS, READ))


@databases()
async def test_two_who_remove_each_other_at_once_do_not_both_go(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await service.create_district()
        names = ("ada", "bob")
        rights = {name: right(name, ACCESS, WRITE) for name in names}
        async with service.client() as operator:
            await revoke(operator, right("principal", ACCESS, READ))
        secrets = [await administrator(service, name, rights[name]) for name in names]
        async with service.client_of(secrets[0]) as ada, service.client_of(secrets[1]) as bob:
            for _ in range(5):
                ended = await asyncio.gather(
                    revoke(ada, rights["bob"]), revoke(bob, rights["ada"]), return_exceptions=True
                )
                assert any(isinstance(one, Exception) for one in ended)
                async with service.client() as operator:
                    await grant(operator, *rights.values())


@databases()
async def test_the_last_operators_key_stays(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await service.create_district()
        key_id = service.key(access.ROLE_OPERATOR).split("_")[1]
        async with service.client() as operator:
            await create(operator, role=access.ROLE_OPERATOR)
            with pytest.raises(FailedPrecondition) as refused:
                await end(operator, key_id, "-")
            assert refused.value.reason == "LAST_ACCESS"
            assert refused.value.metadata == {"district_id": "-"}
            other = await create(operator, "-", role=access.ROLE_OPERATOR)
            await end(operator, key_id, "-")
        async with service.client_of(other.secret) as operator:
            with pytest.raises(FailedPrecondition):
                await end(operator, other.api_key.api_key_id, "-")


async def test_an_administrator_ends_no_operators_key(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        async with service.client() as operator:
            made = await create(operator, role=access.ROLE_OPERATOR)
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            with pytest.raises(PermissionDenied):
                await end(client, made.api_key.api_key_id)
