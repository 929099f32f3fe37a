"""Cancel deliveries that have not left."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.delivery import cancel
from schoolbell_server.domain.kinds import CancelCause
from schoolbell_server.pipeline.standing import moved_to, standing_of
from schoolbell_storage.deliveries import DeliveryRow, store_deliveries


async def cancel_deliveries(
    connection: AsyncConnection,
    rows: Iterable[DeliveryRow],
    cause: CancelCause,
    comment: str,
    now: dt.datetime,
    refusal: Refusal | None = None,
) -> list[DeliveryRow]:
    """Cancel those of these locked deliveries that may be; return their snapshots for the journal.

    One that is with a sender is only marked: the cancel applies when its outcome is written.
    """
    cancelled = []
    for row in rows:
        standing = cancel(standing_of(row), leased=bool(row.lease_owner))
        if standing is not None and row.cancel_cause is None:
            marked = replace(row, cancel_cause=cause, cancel_comment=comment)
            if refusal is not None:
                marked = replace(marked, cancel_gate=refusal.gate, cancel_refusal=refusal.reason)
            cancelled.append(moved_to(marked, standing, now))
    await store_deliveries(connection, cancelled)
    return cancelled
