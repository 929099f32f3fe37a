"""The plain end of a delivery: its first attempt, and the provider took it.

Nearly all deliveries end so. What the state machine makes of it is known without asking, and few
columns change; a test holds both to what the general way makes of the same delivery.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import cache

from schoolbell_server.dispatch.finished import Finished
from schoolbell_server.domain.delivery import UNSENT, Attempt, Delivery, changed
from schoolbell_server.domain.kinds import DeliveryState, Outcome


class Acceptances:
    """Makes the rows of one transaction; attempts that were under way together are made once."""

    def __init__(self, now: dt.datetime) -> None:
        """Write under the time `now`."""
        self._now = now
        self._attempts: Callable[[dt.datetime, dt.datetime, str], tuple[Attempt]]
        self._attempts = cache(_attempts)

    def row(self, row: Delivery, end: Finished) -> Delivery | None:
        """Return the delivery after its end; None where that is not the plain one."""
        result = end.result
        if (
            result is None
            or result.outcome is not Outcome.ACCEPTED
            or result.held
            or end.refusal is not None
            or end.start_time is None
            or end.end_time is None
            or row.state not in UNSENT
            or row.attempt_count
            or row.attempts
            or row.accept_time is not None
        ):
            return None
        return changed(
            row,
            state=DeliveryState.ACCEPTED,
            revision=row.revision + 1,
            update_time=self._now,
            lease_owner="",
            attempt_count=1,
            attempts=self._attempts(end.start_time, end.end_time, result.provider_reason),
            provider_message_id=result.provider_message_id or row.provider_message_id,
            accept_time=end.end_time,
        )


def _attempts(start: dt.datetime, end: dt.datetime, reason: str) -> tuple[Attempt]:
    accepted = Outcome.ACCEPTED
    return (Attempt(start_time=start, end_time=end, outcome=accepted, provider_reason=reason),)
