"""What a publisher and a phone are answered: counts, and reasons as members of an enum."""

from __future__ import annotations

from pathlib import Path

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import change_service_pb2, common_pb2
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.change_service_pb2 import BatchPublishChangesRequest, PublishAck
from schoolbell.v1.device_service_pb2 import Receipt, ReportReceiptsRequest
from schoolbell.v1.error_reason_pb2 import ErrorReason
from tests.service.scene import FATHER, MOTHER, absence, grade, phone, populate, register
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import databases

ACCEPTED = change_service_pb2.PUBLISH_RESULT_ACCEPTED
DUPLICATE = change_service_pb2.PUBLISH_RESULT_DUPLICATE
REFUSED = change_service_pb2.PUBLISH_RESULT_REFUSED


async def acks(service: Whole, *changes: Change, validate_only: bool = False) -> list[PublishAck]:
    async with service.client(access.ROLE_PUBLISHER) as publisher:
        answer = await publisher.changes.BatchPublishChanges(
            BatchPublishChangesRequest(
                district_id=DISTRICT, changes=changes, validate_only=validate_only
            )
        )
    if validate_only:
        scopes = {one.scope for one in answer.dry_run.refusals}
        assert scopes == {common_pb2.GATE_SCOPE_RECIPIENT}
        assert answer.dry_run.device_count == 3
    return list(answer.acks)


@databases()
async def test_an_ack_counts_the_deliveries_also_of_a_duplicate(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await register(service, phone(MOTHER), phone(MOTHER, number=2), phone(FATHER))
        batch = (absence("a1"), grade("g1", 80, "nobody"), absence("a1"), grade("g2", 180_000))
        expected = [
            (ACCEPTED, 3, 0),
            (REFUSED, 0, ErrorReason.ERROR_REASON_STUDENT_NOT_FOUND),
            (REFUSED, 0, ErrorReason.ERROR_REASON_CHANGE_KEY_REUSED),
            (REFUSED, 0, ErrorReason.ERROR_REASON_INVALID_FIELD),
        ]
        batch[2].attendance.comment = "other content"
        for dry in (True, False):
            found = await acks(service, *batch, validate_only=dry)
            assert [(one.result, one.delivery_count, one.reason) for one in found] == expected
        same = await acks(service, batch[0], batch[0])
        assert [(one.result, one.delivery_count) for one in same] == [(DUPLICATE, 3)] * 2
        fresh = absence("a2", section="biology")
        fresh.attendance.period = "3"
        twice = await acks(service, fresh, fresh)
        assert [(one.result, one.delivery_count) for one in twice] == [
            (ACCEPTED, 3),
            (DUPLICATE, 3),
        ]


async def test_a_refused_receipt_says_why_as_a_member_of_the_enum(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
            answer = await backend.devices.ReportReceipts(
                ReportReceiptsRequest(
                    district_id=DISTRICT,
                    user_id=MOTHER,
                    receipts=[
                        Receipt(),
                        Receipt(delivery_id="none", event=1, event_time={"seconds": 1}),  # type: ignore[arg-type]
                    ],
                )
            )
        assert [one.reason for one in answer.results] == [
            ErrorReason.ERROR_REASON_INVALID_FIELD,
            ErrorReason.ERROR_REASON_DELIVERY_NOT_FOUND,
        ]
