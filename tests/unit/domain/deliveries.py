"""Deliveries that wait, for tests."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.fact import Previous, Told
from schoolbell_server.domain.kinds import AppType, DeliveryState, Kind, Platform

START = dt.datetime(2026, 8, 1, 12, tzinfo=dt.UTC)


def waiting_delivery(delivery_id: str, **fields: object) -> Delivery:
    """Return a delivery of a fact of its own that is due."""
    row = Delivery(
        delivery_id=delivery_id,
        district_id="maple",
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
        told=Told(Previous(), None),
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
