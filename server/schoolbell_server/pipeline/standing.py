"""Between a stored delivery and its state machine."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from schoolbell_server.domain.delivery import Standing
from schoolbell_storage.deliveries import DeliveryRow


def standing_of(row: DeliveryRow) -> Standing:
    """Return where a stored delivery stands."""
    return Standing(
        state=row.state,
        due_time=row.due_time,
        expire_time=row.expire_time,
        attempt_count=row.attempt_count,
        budget_start=row.budget_start,
        answer_lost=row.answer_lost,
        cancel_asked=row.cancel_cause is not None,
    )


def moved_to(row: DeliveryRow, standing: Standing, now: dt.datetime) -> DeliveryRow:
    """Return the delivery where it stands now, one revision on."""
    return replace(
        row,
        state=standing.state,
        due_time=standing.due_time,
        attempt_count=standing.attempt_count,
        budget_start=standing.budget_start,
        answer_lost=standing.answer_lost,
        revision=row.revision + 1,
        update_time=now,
    )
