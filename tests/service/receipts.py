"""What phones say of their notifications."""

from __future__ import annotations

import datetime as dt
from typing import Any

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1.device_service_pb2 import (
    RECEIPT_EVENT_DISPLAYED,
    Receipt,
    ReportReceiptsRequest,
    ReportReceiptsResponse,
)
from tests.service.scene import MOTHER, at
from tests.service.whole import DISTRICT, Whole


def now() -> dt.datetime:
    """Return the time."""
    return dt.datetime.now(dt.UTC)


def receipt(
    delivery_id: str, event: Any = RECEIPT_EVENT_DISPLAYED, time: dt.datetime | None = None
) -> Receipt:
    """Return what a phone says of a notification."""
    return Receipt(delivery_id=delivery_id, event=event, event_time=at(time or now()))


async def report(
    service: Whole, *receipts: Receipt, user_id: str = MOTHER
) -> ReportReceiptsResponse:
    """Report receipts of a user's phones."""
    async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
        return await backend.devices.ReportReceipts(
            ReportReceiptsRequest(district_id=DISTRICT, user_id=user_id, receipts=receipts)
        )
