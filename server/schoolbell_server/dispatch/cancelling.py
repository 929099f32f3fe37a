"""Cancel deliveries that have not left."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.dispatch.progress import marked, moved_to, progress_of
from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.delivery import cancel
from schoolbell_server.domain.kinds import CancelCause, Gate, RefusalReason
from schoolbell_storage.deliveries import DeliveryRow, fetch_deliveries, store_deliveries
from schoolbell_storage.devices import unsent_deliveries


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a device is sent nothing more of what waits."""

    cause: CancelCause
    refusal: Refusal | None = None
    """The gate that closed, where the cause is GATE."""


RETIRED = Stop(CancelCause.GATE, Refusal(Gate.DEVICE_USABLE, RefusalReason.DEVICE_RETIRED))
"""Why a retired device is sent nothing more."""


async def cancel_unsent(
    connection: AsyncConnection, stops: Mapping[str, Stop], now: dt.datetime
) -> list[DeliveryRow]:
    """Cancel what these devices were still to be sent; return the snapshots for the journal."""
    if not stops:
        return []
    waiting = await unsent_deliveries(connection, stops)
    locked = await fetch_deliveries(connection, waiting, lock=True)
    cancelled = []
    for device_id, stop in stops.items():
        rows = [row for row in locked.values() if row.device_id == device_id]
        cancelled += await cancel_deliveries(connection, rows, stop.cause, "", now, stop.refusal)
    return cancelled


async def cancel_deliveries(
    connection: AsyncConnection,
    rows: Iterable[DeliveryRow],
    cause: CancelCause,
    comment: str,
    now: dt.datetime,
    refusal: Refusal | None = None,
    principal: str = "",
) -> list[DeliveryRow]:
    """Cancel those of these locked deliveries that may be; return their snapshots for the journal.

    One that is with a sender is only marked: the cancel applies when its outcome is written.
    """
    cancelled = []
    for row in rows:
        progress = cancel(progress_of(row), leased=bool(row.lease_owner))
        if progress is not None and row.cancel_cause is None:
            cancelled.append(
                moved_to(marked(row, cause, refusal, comment, principal), progress, now)
            )
    await store_deliveries(connection, cancelled)
    return cancelled
