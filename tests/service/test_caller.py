"""Who is calling, with which keys of which districts, and what the server is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from schoolbell.errors import (
    AlreadyExists,
    InvalidArgument,
    PermissionDenied,
    SchoolbellError,
    Unauthenticated,
)
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2, district_service_pb2
from schoolbell.v1.status_service_pb2 import GetStatusRequest, ListServiceStatesRequest
from schoolbell_server import VERSION
from tests.service.granting import (
    ACCESS,
    READ,
    SETTINGS,
    WRITE,
    add_district,
    administrator,
    create,
    end,
    entries,
    grant,
    keys,
    right,
)
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import POSTGRESQL, databases

OAK, ELM = "oak-county", "elm-county"
KEY = common_pb2.PRINCIPAL_TYPE_API_KEY


async def caller(service: Whole, secret: str, district_id: str = "") -> access.GetCallerResponse:
    async with service.client_of(secret) as client:
        return await client.access.GetCaller(access.GetCallerRequest(district_id=district_id))


async def test_every_role_is_told_who_it_is(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        for role in access.Role.values()[1:]:
            found = await caller(service, service.key(role))
            assert found.principal.type == KEY
            assert found.principal.id == service.key(role).split("_")[1]
            assert list(found.roles) == [role]
            assert list(found.sources) == []
            operator = role == access.ROLE_OPERATOR
            assert list(found.district_ids) == (["-"] if operator else [DISTRICT])
            assert found.HasField("expire_time") is not operator
            person = "principal" if role == access.ROLE_ADMINISTRATOR else ""
            assert found.principal.acting_user_id == person
            assert [one.district_id for one in found.rights] == ([DISTRICT] if person else [])
            async with service.client_of(service.key(role)) as client:
                info = await client.access.GetServerInfo(access.GetServerInfoRequest())
            assert (info.version, bool(info.store_id)) == (VERSION, True)
            assert info.limits.max_batch_change_count == 500


async def test_a_caller_is_told_of_its_own_districts_alone(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        await add_district(service, OAK)
        async with service.client() as operator:
            await grant(operator, right("ada", SETTINGS, READ))
            await grant(operator, right("ada", ACCESS, WRITE), district_id=OAK)
            made = await create(
                operator,
                role=access.ROLE_ADMINISTRATOR,
                user_id="ada",
                district_ids=[DISTRICT, OAK],
                sources=["sis"],
            )
        found = await caller(service, made.secret)
        assert list(found.district_ids) == [DISTRICT, OAK]
        assert list(found.sources) == ["sis"]
        told = {one.district_id: [(r.tool, r.right) for r in one.rights] for one in found.rights}
        assert told == {DISTRICT: [(SETTINGS, READ)], OAK: [(ACCESS, WRITE)]}
        (only,) = (await caller(service, made.secret, OAK)).rights
        assert only.district_id == OAK
        with pytest.raises(PermissionDenied):
            await caller(service, made.secret, ELM)


async def states(service: Whole, secret: str, district_id: str) -> list[str]:
    async with service.client_of(secret) as client:
        answer = await client.status.ListServiceStates(
            ListServiceStatesRequest(district_id=district_id)
        )
    return [one.district_id for one in answer.states]


@databases()
async def test_a_key_of_two_districts_reads_both_and_no_third(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await service.create_district()
        for name in (OAK, ELM):
            await add_district(service, name)
        async with service.client() as operator:
            made = await create(operator, district_ids=[OAK, DISTRICT])
            assert made.api_key.district_ids == [DISTRICT, OAK]
            for name in (DISTRICT, OAK):
                assert made.api_key in await keys(operator, name)
            assert made.api_key not in await keys(operator, ELM)
            assert await states(service, made.secret, "-") == [DISTRICT, OAK]
            assert await states(service, made.secret, "") == [DISTRICT, OAK]
            assert await states(service, made.secret, OAK) == [OAK]
            async with service.client_of(made.secret) as client:
                for name in (DISTRICT, OAK):
                    await client.status.GetStatus(GetStatusRequest(district_id=name))
                listed = await client.districts.ListDistricts(
                    district_service_pb2.ListDistrictsRequest()
                )
                assert [one.district_id for one in listed.districts] == [DISTRICT, OAK]
                with pytest.raises(PermissionDenied):
                    await client.status.GetStatus(GetStatusRequest(district_id=ELM))
            for name in (DISTRICT, OAK):
                newest = (await entries(operator, name))[0]
                assert newest.subject == f"keys/{made.api_key.api_key_id}"
                assert newest.after["district_ids"] == [DISTRICT, OAK]
            assert not [one for one in await entries(operator, ELM) if "keys/" in one.subject]
            await end(operator, made.api_key.api_key_id, OAK)
            for name in (DISTRICT, OAK):
                assert made.api_key not in await keys(operator, name)


async def test_an_administrator_needs_access_in_every_district_of_a_key(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        await add_district(service, OAK)
        async with service.client() as operator:
            await grant(operator, right("ada", ACCESS, WRITE), right("ada", SETTINGS, READ))
            await grant(operator, right("ada", SETTINGS, READ), district_id=OAK)
            made = await create(
                operator,
                role=access.ROLE_ADMINISTRATOR,
                user_id="ada",
                district_ids=[DISTRICT, OAK],
            )
            everybodys = await create(operator, district_ids=[DISTRICT, OAK])
        async with service.client_of(made.secret) as ada:
            for call in (
                create(ada, district_ids=[DISTRICT, OAK]),
                create(ada, OAK),
                end(ada, everybodys.api_key.api_key_id),
            ):
                with pytest.raises(PermissionDenied):
                    await call
            await create(ada)


async def test_districts_of_a_key_have_to_go_together(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        async with service.client() as operator:
            for named in ([OAK], [DISTRICT, DISTRICT], [DISTRICT, "-"]):
                with pytest.raises(InvalidArgument) as refused:
                    await create(operator, district_ids=named)
                assert {bad.path for bad in refused.value.fields} == {"api_key.district_ids"}


@databases()
async def test_a_repeat_replaces_the_secret_of_the_same_key(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await service.create_district()
        async with service.client() as operator:
            first = await create(operator, request_id="r-1", display_name="dashboard")
            before = await keys(operator)
            async with service.client_of(first.secret) as old:
                ask = GetStatusRequest(district_id=DISTRICT)
                await old.status.GetStatus(ask)
                second = await create(operator, request_id="r-1", display_name="dashboard")
                with pytest.raises(Unauthenticated):
                    await old.status.GetStatus(ask)
            async with service.client_of(second.secret) as new:
                await new.status.GetStatus(ask)
            assert second.api_key.api_key_id == first.api_key.api_key_id
            assert second.secret != first.secret
            assert len(await keys(operator)) == len(before)
            newest = (await entries(operator))[0]
            assert newest.before["secret_tail"] == first.api_key.secret_tail
            assert newest.after["secret_tail"] == second.api_key.secret_tail
            with pytest.raises(AlreadyExists) as refused:
                await create(operator, request_id="r-1", display_name="another")
            assert refused.value.reason == "REQUEST_ID_REUSED"
            assert refused.value.metadata["request_id"] == "r-1"
            await end(operator, second.api_key.api_key_id)
            with pytest.raises(AlreadyExists):
                await create(operator, request_id="r-1", display_name="dashboard")


async def test_two_at_once_make_one_key(tmp_path: Path) -> None:
    async with whole(tmp_path, database=POSTGRESQL) as service:
        await service.create_district()
        async with service.client() as one, service.client() as other:
            for number in range(10):
                name = f"r-{number}"
                made = await asyncio.gather(
                    *(create(who, request_id=name, display_name=name) for who in (one, other) * 2)
                )
                assert len({answer.api_key.api_key_id for answer in made}) == 1
            named = [key.display_name for key in await keys(one) if key.display_name[:2] == "r-"]
            assert sorted(named) == sorted(f"r-{number}" for number in range(10))


async def test_keys_are_found_by_role_and_person(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        await administrator(service, "ada")
        async with service.client() as operator:
            monitors = await keys(operator, role=access.ROLE_MONITOR)
            assert [one.role for one in monitors] == [access.ROLE_MONITOR]
            assert [one.user_id for one in await keys(operator, user_id="ada")] == ["ada"]
            assert await keys(operator, user_id="ada", role=access.ROLE_MONITOR) == []


async def test_an_entry_says_which_call_and_from_where(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            request = access.GrantRightsRequest(
                district_id=DISTRICT, rights=[right("ada", SETTINGS, READ)]
            )
            await client.access.GrantRights(request, metadata=(("x-request-id", "call-7"),))
            newest = (await entries(client))[0]
        assert newest.request_id == "call-7"
        assert newest.client_address in ("127.0.0.1", "::1")


async def test_the_audit_log_is_found_by_who_what_and_when(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            for name in "abcde":
                await grant(client, right(name, SETTINGS, READ))
            every = await entries(client)
            times = [one.create_time.ToDatetime() for one in every]
            assert times == sorted(times, reverse=True)
            principal = common_pb2.Principal(acting_user_id="principal")
            theirs = await entries(client, principals=[principal])
            assert theirs == [o for o in every if o.principal.acting_user_id == "principal"]
            assert len(theirs) >= 5
            exact = common_pb2.Principal(type=KEY, id=theirs[0].principal.id)
            assert await entries(client, principals=[exact]) == theirs
            nobody = common_pb2.Principal(acting_user_id="nobody")
            assert await entries(client, principals=[nobody]) == []
            assert await entries(client, principals=[nobody, exact]) == theirs
            subject = "rights/user/c/PUSH_NOTIFICATIONS"
            (found,) = await entries(client, subjects=[subject])
            assert found.subject == subject
            method = "schoolbell.v1.DistrictService/CreateDistrict"
            (made,) = await entries(client, methods=[method])
            assert made.subject == "district"
            assert await entries(client, methods=[method], subjects=[subject]) == []
            moment = every[2].create_time
            assert await entries(client, start_create_time=moment) == every[:3]
            assert await entries(client, end_create_time=moment) == every[3:]
            many = [str(number) for number in range(101)]
            with pytest.raises(InvalidArgument) as refused:
                await entries(client, subjects=many)
            assert [bad.path for bad in refused.value.fields] == ["filter.subjects"]


async def test_the_log_of_all_districts_is_the_operators(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        async with service.client() as operator:
            made = await create(operator, "-")
            assert (await entries(operator, "-"))[0].subject == f"keys/{made.api_key.api_key_id}"
        for role in access.Role.values()[1:5]:
            async with service.client(role) as client:
                with pytest.raises(SchoolbellError) as refused:
                    await entries(client, "-")
                assert refused.value.reason == "PERMISSION_DENIED"
