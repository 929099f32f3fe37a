"""Cancel deliveries that have not left."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.kinds import CancelCause, Gate, RefusalReason
from schoolbell_server.domain.transitions import Cancellation, cancel
from schoolbell_storage.deliveries import fetch_deliveries, store_deliveries
from schoolbell_storage.devices import unsent_deliveries

RETIRED = Cancellation(
    cause=CancelCause.GATE, refusal=Refusal(Gate.DEVICE_USABLE, RefusalReason.DEVICE_RETIRED)
)
"""Why a retired device is sent nothing more."""


async def cancel_unsent(
    connection: AsyncConnection, reasons: Mapping[str, Cancellation], now: dt.datetime
) -> list[Delivery]:
    """Cancel what these devices were still to be sent; return the snapshots for the journal."""
    if not reasons:
        return []
    waiting = await unsent_deliveries(connection, reasons)
    locked = await fetch_deliveries(connection, waiting, lock=True)
    cancelled = []
    for device_id, why in reasons.items():
        rows = [row for row in locked.values() if row.device_id == device_id]
        cancelled += await cancel_deliveries(connection, rows, why, now)
    return cancelled


async def cancel_deliveries(
    connection: AsyncConnection,
    rows: Iterable[Delivery],
    why: Cancellation,
    now: dt.datetime,
) -> list[Delivery]:
    """Cancel those of these locked deliveries that may be; return their snapshots for the journal.

    One that is with a sender is only marked: the cancel applies when its outcome is written.
    """
    found = [cancel(row, why, now) for row in rows]
    cancelled = [row for row in found if row is not None]
    await store_deliveries(connection, cancelled)
    return cancelled
