"""A backlog as large as is wanted: copies of deliveries that were sent, waiting again."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Table, insert, literal, null, select
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.accepting import BATCH
from benchmarks.bare import written
from benchmarks.changes import SOURCE
from benchmarks.district import DEVICES_PER_STUDENT
from benchmarks.service import Service
from schoolbell_server.demo.stage import DISTRICT
from schoolbell_server.domain.kinds import DeliveryState
from schoolbell_storage.codec import to_micros
from schoolbell_storage.tables import change, delivery

_PATTERNS = 800  # changes
_NAME = "pattern"


async def publish_patterns(on: Service) -> float:
    """Publish and send what is copied later; return how many changes/s went through to the end."""
    began = time.perf_counter()
    await on.load("stream", name=_NAME, batch=BATCH, changes=_PATTERNS)
    await on.settled()
    return _PATTERNS / (time.perf_counter() - began)


async def write_backlog(on: Service, deliveries: int) -> None:
    """Let at least so many deliveries wait; the server stands meanwhile, as for an outage."""
    await on.stop()
    now = dt.datetime.now(dt.UTC)
    for number in range(-(-deliveries // round(_PATTERNS * DEVICES_PER_STUDENT))):
        async with on.storage.write() as connection:
            await _copy(connection, f"{now.timestamp():.0f}-{number}", now)
    await on.start()


async def _copy(connection: AsyncConnection, prefix: str, now: dt.datetime) -> None:
    """Copy the patterns once, as changes of other keys."""
    renamed = {"change_id": f"{prefix}~" + change.c.change_id}
    await _insert(connection, change, renamed)
    waiting: dict[str, ColumnElement[Any]] = {
        "delivery_id": f"{prefix}~" + delivery.c.delivery_id,
        "change_id": f"{prefix}~" + delivery.c.change_id,
        "fact_key": delivery.c.fact_key + f"~{prefix}",
        "state": literal(int(DeliveryState.PENDING)),
        "revision": literal(1),
        "attempt_count": literal(0),
        "attempts": literal("[]"),
        "provider_message_id": literal(""),
        "due_time": literal(to_micros(now)),
        "accept_time": null(),
    }
    await _insert(connection, delivery, waiting)


async def _insert(
    connection: AsyncConnection, table: Table, other: Mapping[str, ColumnElement[Any]]
) -> None:
    columns = [other.get(column.name, column) for column in written(table)]
    name = table.c.change_id.collate("C" if connection.dialect.name == "postgresql" else "BINARY")
    patterns = (  # by an index: a copy costs the same however many there are
        table.c.district_id == DISTRICT,
        table.c.source == SOURCE,
        name >= f"{_NAME}-",
        name <= f"{_NAME}-~",
    )
    names = [column.name for column in written(table)]
    await connection.execute(insert(table).from_select(names, select(*columns).where(*patterns)))
