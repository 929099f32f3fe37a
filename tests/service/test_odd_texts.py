"""Odd strings and forged tokens, over a real connection and on both databases."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from schoolbell.errors import InvalidArgument
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import change_service_pb2, common_pb2, device_service_pb2, status_service_pb2
from schoolbell.v1.delivery_pb2 import DeliveryFilter
from schoolbell.v1.roster_service_pb2 import ListStudentsRequest
from tests.service.scene import MOTHER, grade, populate, publish
from tests.service.whole import DISTRICT, whole
from tests.storage.engines import databases

TAG_BYTES = 16


@databases()
async def test_a_nul_is_refused_by_its_path(database: str, tmp_path: Path) -> None:
    """In fields that no servicer looks at: PostgreSQL would refuse the whole statement."""
    status, changes = status_service_pb2, change_service_pb2
    asked: list[tuple[str, str, Any]] = [
        ("status.GetDelivery", "delivery_id", status.GetDeliveryRequest(delivery_id="\0")),
        (
            "status.ListDeliveries",
            "filter.user_ids[1]",
            status.ListDeliveriesRequest(filter=DeliveryFilter(user_ids=["a", "\0"])),
        ),
        (
            "status.ListDeliveries",
            "filter.change_keys[0].source",
            status.ListDeliveriesRequest(
                filter=DeliveryFilter(change_keys=[common_pb2.ChangeKey(source="\0")])
            ),
        ),
    ]
    async with whole(tmp_path, database=database) as service:
        await service.create_district()
        async with service.client(access.ROLE_MONITOR) as monitor:
            for method, path, request in asked:
                request.district_id = DISTRICT
                name = method.partition(".")[2]
                with pytest.raises(InvalidArgument) as refused:
                    await getattr(monitor.status, name)(request)
                assert [one.path for one in refused.value.fields] == [path]
        async with service.client(access.ROLE_PUBLISHER) as publisher:
            with pytest.raises(InvalidArgument) as refused:
                await publisher.changes.GetChange(changes.GetChangeRequest(district_id=DISTRICT))
            fields = [one.path for one in refused.value.fields]
            assert fields == ["key.source", "key.change_id"]


async def test_a_bad_item_spoils_no_batch(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        changes = [grade("good", 80), grade("bad", 80)]
        changes[1].grade.grading_task = "\0"
        async with service.client(access.ROLE_PUBLISHER) as publisher:
            answer = await publisher.changes.BatchPublishChanges(
                change_service_pb2.BatchPublishChangesRequest(district_id=DISTRICT, changes=changes)
            )
        assert [ack.HasField("error") for ack in answer.acks] == [False, True]
        async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
            receipts = await backend.devices.ReportReceipts(
                device_service_pb2.ReportReceiptsRequest(
                    district_id=DISTRICT,
                    user_id=MOTHER,
                    receipts=[device_service_pb2.Receipt(delivery_id="\0")],
                )
            )
        assert "delivery_id" in receipts.results[0].error.message


@databases()
async def test_a_forged_page_token_is_refused(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await publish(service, *(grade(f"g{number}", 80) for number in range(3)))
        async with service.client(access.ROLE_PUBLISHER) as publisher:
            request = change_service_pb2.ListChangesRequest(district_id=DISTRICT, page_size=1)
            request.page_token = (await publisher.changes.ListChanges(request)).next_page_token
            real = base64.urlsafe_b64decode(request.page_token + "==")
            assert (await publisher.changes.ListChanges(request)).records
            students = ListStudentsRequest(district_id=DISTRICT, page_token=request.page_token)
            with pytest.raises(InvalidArgument):
                await publisher.roster.ListStudents(students)
            for position in (b"[%d,1]" % 2**63, b"[1,%d]" % 10**30, b"[0,0]", b'["a",1]', b"["):
                forged = base64.urlsafe_b64encode(real[:TAG_BYTES] + position)
                request.page_token = forged.decode().rstrip("=")
                with pytest.raises(InvalidArgument) as refused:
                    await publisher.changes.ListChanges(request)
                assert "PAGE_TOKEN_INVALID" in refused.value.reason
