"""Between a stored delivery and what the domain asks of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.delivery import UNSENT, Progress
from schoolbell_server.domain.fact_state import decode_told
from schoolbell_server.domain.kinds import CancelCause, DeliveryState
from schoolbell_server.domain.ledger import FactDelivery
from schoolbell_storage.deliveries import DeliveryRow, changed


def progress_of(row: DeliveryRow) -> Progress:
    """Return where a stored delivery stands."""
    return Progress(
        state=row.state,
        due_time=row.due_time,
        expire_time=row.expire_time,
        attempt_count=row.attempt_count,
        budget_start=row.budget_start,
        answer_lost=row.answer_lost,
        hold_cause=row.hold_cause,
        cancel_asked=row.cancel_cause is not None,
    )


def moved_to(row: DeliveryRow, progress: Progress, now: dt.datetime, **more: object) -> DeliveryRow:
    """Return the delivery where it stands now, one revision on, with more fields replaced."""
    return changed(
        row,
        state=progress.state,
        due_time=progress.due_time,
        attempt_count=progress.attempt_count,
        budget_start=progress.budget_start,
        answer_lost=progress.answer_lost,
        hold_cause=progress.hold_cause,
        revision=row.revision + 1,
        update_time=now,
        **more,
    )


def cancelled_row(
    row: DeliveryRow, cause: CancelCause, now: dt.datetime, refusal: Refusal | None = None
) -> DeliveryRow:
    """Return the delivery cancelled, one revision on; a gate's cause has its refusal."""
    return replace(
        marked(row, cause, refusal),
        state=DeliveryState.CANCELLED,
        revision=row.revision + 1,
        update_time=now,
    )


def marked(
    row: DeliveryRow,
    cause: CancelCause,
    refusal: Refusal | None = None,
    comment: str = "",
    principal: str = "",
) -> DeliveryRow:
    """Return the delivery with why it is cancelled, and its state as it was."""
    return replace(
        row,
        cancel_cause=cause,
        cancel_gate=None if refusal is None else refusal.gate,
        cancel_refusal=None if refusal is None else refusal.reason,
        cancel_comment=comment,
        cancel_principal=principal,
    )


def fact_delivery(row: DeliveryRow) -> FactDelivery:
    """Return a stored delivery as one of its fact: what it told, and whether it may have left."""
    told = decode_told(row.told)
    attempted = row.attempt_count > 0 or row.answer_lost or bool(row.lease_owner)
    return FactDelivery(
        delivery_id=row.delivery_id,
        device_id=row.device_id,
        fact_key=row.fact_key,
        unsent=row.state in UNSENT and not attempted,
        seen=attempted and row.state is not DeliveryState.REJECTED,
        previous=told.previous,
        current=told.current,
        user_id=row.user_id,
        create_time=row.create_time,
    )
