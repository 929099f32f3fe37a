"""Deliveries that wait, for tests of who takes them."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.kinds import AppType, DeliveryState, Kind, Platform
from schoolbell_storage.deliveries import DeliveryRow, insert_deliveries
from schoolbell_storage.engine import Storage
from tests.storage.rosters import MAPLE, START

ROUTE = ("parent", Platform.IOS)


def waiting_delivery(delivery_id: str, **fields: object) -> DeliveryRow:
    """Return a delivery of a fact of its own that is due."""
    row = DeliveryRow(
        delivery_id=delivery_id,
        district_id=MAPLE,
        key=ChangeKey(source="sis", change_id=delivery_id),
        student_id="student",
        user_id="mother",
        device_id="phone",
        app_id="parent",
        app=AppType.PARENT,
        platform=Platform.IOS,
        kind=Kind.GRADE,
        lane=4,
        state=DeliveryState.PENDING,
        fact_key=f'["grade","{delivery_id}"]',
        other_fact_key=None,
        told="[null,false,null,null]",
        correction=False,
        facts_version=1,
        school_day=START.date(),
        time_zone="UTC",
        create_time=START,
        due_time=START,
        expire_time=START + dt.timedelta(days=1),
        update_time=START,
    )
    return replace(row, **fields)  # type: ignore[arg-type]


async def store(storage: Storage, *rows: DeliveryRow) -> None:
    """Write deliveries."""
    async with storage.write() as connection:
        await insert_deliveries(connection, rows)
