"""Deliveries that wait: a hold of an hour keeps every grade from leaving."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2, delivery_pb2, settings_service_pb2
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.change_service_pb2 import PublishChangeRequest
from schoolbell.v1.status_service_pb2 import ListDeliveriesRequest
from tests.service.whole import DISTRICT, Whole


async def hold_grades(service: Whole) -> None:
    """Let grades wait for an hour."""
    settings = settings_service_pb2.Settings(
        kinds=[
            settings_service_pb2.KindSettings(
                kind=common_pb2.KIND_GRADE, hold=Duration(seconds=3600)
            )
        ]
    )
    async with service.client(access.ROLE_ADMINISTRATOR) as administrator:
        await administrator.settings.UpdateSettings(
            settings_service_pb2.UpdateSettingsRequest(
                district_id=DISTRICT, settings=settings, update_mask=FieldMask(paths=["kinds"])
            )
        )


async def publish(service: Whole, *changes: Change) -> None:
    """Publish changes one after the other."""
    async with service.client(access.ROLE_PUBLISHER) as publisher:
        for one in changes:
            await publisher.changes.PublishChange(
                PublishChangeRequest(district_id=DISTRICT, change=one)
            )


async def deliveries(service: Whole, user_id: str) -> list[delivery_pb2.Delivery]:
    """Return a user's deliveries, newest first."""
    async with service.client(access.ROLE_MONITOR) as monitor:
        answer = await monitor.status.ListDeliveries(
            ListDeliveriesRequest(
                district_id=DISTRICT, filter=delivery_pb2.DeliveryFilter(user_ids=[user_id])
            )
        )
    return list(answer.deliveries)
