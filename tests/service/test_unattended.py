"""An act that its caller leaves in the middle is on record, and is finished."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from schoolbell import AsyncClient
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import delivery_pb2, status_service_pb2
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.servicers.common.unattended import MOST, MOST_OF_ONE, Unattended
from schoolbell_server.servicers.persons import erasure as person_erasure
from schoolbell_server.servicers.status import delivery_control
from tests.service.following import PATIENCE
from tests.service.granting import entries
from tests.service.held import hold_grades
from tests.service.scene import MOTHER, STUDENT, phone, populate, publish, register, tasks
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import databases

GRADES = 20


async def stage(service: Whole) -> None:
    """Let many deliveries wait."""
    await populate(service)
    await hold_grades(service)
    await register(service, phone(STUDENT), phone(MOTHER))
    await publish(service, *tasks(0, GRADES))


async def hang_up(client: AsyncClient, call: Callable[[AsyncClient], Any], method: str) -> None:
    """Leave a call as soon as its first step is on record."""
    under_way = call(client)
    district_id = "-" if method.endswith("DeleteDistrict") else DISTRICT
    async with asyncio.timeout(PATIENCE):
        while not await _recorded(client, district_id, method):
            pass
    under_way.cancel()


async def _recorded(client: AsyncClient, district_id: str, method: str) -> list[access.AuditEntry]:
    return await entries(client, district_id, methods=[method])


async def done(client: AsyncClient, method: str, name: str, count: int) -> list[dict[str, Any]]:
    """Wait until the entries of a method say that so many were done, and return them in order."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await _recorded(client, DISTRICT, method)
            said = [MessageToDict(one.after) for one in reversed(found)]
            if sum(one.get(name, 0) for one in said) >= count:
                return said


@databases()
async def test_a_cancel_whose_caller_hangs_up_is_finished_and_on_record(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_control, "_STEP", 3)
    async with whole(tmp_path, database=database) as service:
        await stage(service)
        request = status_service_pb2.CancelDeliveriesRequest(
            district_id=DISTRICT,
            comment="a false alarm",
            filter=delivery_pb2.DeliveryFilter(user_ids=[STUDENT, MOTHER]),
        )
        method = "schoolbell.v1.StatusService/CancelDeliveries"
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            await hang_up(client, lambda one: one.status.CancelDeliveries(request), method)
            said = await done(client, method, "cancelled", 2 * GRADES)
            assert [one["step"] for one in said] == list(range(1, len(said) + 1))
            assert len(said) > 10
            assert said[0]["comment"] == "a false alarm"
            assert said[0]["filter"] == {"user_ids": [STUDENT, MOTHER]}
            found = await _recorded(client, DISTRICT, method)
            assert len({one.request_id for one in found}) == 1
            listed = await client.status.ListDeliveries(
                status_service_pb2.ListDeliveriesRequest(district_id=DISTRICT, page_size=100)
            )
            assert {one.state for one in listed.deliveries} == {
                delivery_pb2.DELIVERY_STATE_CANCELLED
            }


@databases()
async def test_an_erasure_whose_caller_hangs_up_is_finished_and_on_record(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(person_erasure, "_STEP", 3)
    async with whole(tmp_path, database=database) as service:
        await stage(service)
        request = access.ErasePersonDataRequest(district_id=DISTRICT, user_id=MOTHER)
        method = "schoolbell.v1.AccessService/ErasePersonData"
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            await hang_up(client, lambda one: one.access.ErasePersonData(request), method)
            await service.stop()
        await service.start()
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            assert (await client.access.ErasePersonData(request)).record_count == 0
            said = [MessageToDict(one.after) for one in await _recorded(client, DISTRICT, method)]
            assert sum(one.get("records", 0) for one in said) > GRADES


async def test_what_is_tried_without_a_trace_leaves_none(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await stage(service)
        filtered = delivery_pb2.DeliveryFilter(user_ids=[MOTHER])
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            before = await entries(client)
            answer = await client.status.CancelDeliveries(
                status_service_pb2.CancelDeliveriesRequest(
                    district_id=DISTRICT, comment="a try", filter=filtered, validate_only=True
                )
            )
            assert answer.delivery_count == GRADES
            await client.status.RetryDeliveries(
                status_service_pb2.RetryDeliveriesRequest(
                    district_id=DISTRICT, filter=filtered, validate_only=True
                )
            )
            await client.access.ErasePersonData(
                access.ErasePersonDataRequest(
                    district_id=DISTRICT, user_id=MOTHER, validate_only=True
                )
            )
            assert await entries(client) == before


async def test_a_long_filter_is_cut_in_the_log_and_counted(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        named = [f"nobody-{number}" for number in range(100)]
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            await client.status.RetryDeliveries(
                status_service_pb2.RetryDeliveriesRequest(
                    district_id=DISTRICT, filter=delivery_pb2.DeliveryFilter(user_ids=named)
                )
            )
            after = MessageToDict((await entries(client))[0].after)
            assert after == {
                "filter": {"user_ids": named[:20], "user_ids_count": 100},
                "step": 1,
                "replayed": 0,
            }


async def test_no_more_works_than_may_be_are_under_way() -> None:
    works, going = Unattended(), asyncio.Event()

    async def wait() -> None:
        await going.wait()

    owners = [f"key-{number // MOST_OF_ONE}" for number in range(MOST)]
    calls = [asyncio.create_task(works.run(wait(), owner)) for owner in owners[:MOST_OF_ONE]]
    await asyncio.sleep(0)
    with pytest.raises(SchoolbellError, match="4 calls of this key"):
        await works.run(wait(), owners[0])
    calls += [asyncio.create_task(works.run(wait(), owner)) for owner in owners[MOST_OF_ONE:]]
    await asyncio.sleep(0)
    with pytest.raises(SchoolbellError, match="32 in all"):
        await works.run(wait(), "another")
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    going.set()
    await works.drain(PATIENCE)
    await works.run(wait(), "another")


async def test_a_server_that_ends_breaks_off_what_takes_too_long() -> None:
    works = Unattended()
    call = asyncio.create_task(works.run(asyncio.Event().wait(), "key"))
    await asyncio.sleep(0)
    call.cancel()
    await works.drain(0)
    assert call.cancelling()
