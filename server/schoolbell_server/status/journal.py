"""Write what a transaction changed into the status log, as its last act."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import change_pb2, status_service_pb2
from schoolbell_server.contract.change_records import write_change_summary
from schoolbell_server.contract.deliveries import write_committed
from schoolbell_storage import status_log
from schoolbell_storage.deliveries import DeliveryRow


async def record(
    connection: AsyncConnection,
    now: dt.datetime,
    deliveries: Sequence[DeliveryRow],
    changes: Sequence[change_pb2.ChangeRecord] = (),
) -> None:
    """Take the next revision and log these snapshots under it; nothing may be locked after it."""
    if deliveries or changes:
        number = await status_log.advance(connection)
        await status_log.append(connection, number, now, _updates(deliveries, changes))


def _updates(
    deliveries: Iterable[DeliveryRow], changes: Iterable[change_pb2.ChangeRecord]
) -> dict[str, bytes]:
    districts: dict[str, status_service_pb2.WatchStatusResponse] = {}
    for change in changes:
        _of(districts, change.district_id).changes.append(write_change_summary(change))
    for delivery in deliveries:
        _of(districts, delivery.district_id).deliveries.append(write_committed(delivery))
    return {name: updates.SerializeToString() for name, updates in districts.items()}


def _of(
    districts: dict[str, status_service_pb2.WatchStatusResponse], district_id: str
) -> status_service_pb2.WatchStatusResponse:
    return districts.setdefault(district_id, status_service_pb2.WatchStatusResponse())
