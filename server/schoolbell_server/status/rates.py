"""How much happened in the last minute."""

from __future__ import annotations

import datetime as dt
from collections import deque
from dataclasses import dataclass, field

from schoolbell.v1 import status_pb2

_WINDOW = 60.0  # seconds


@dataclass(slots=True)
class Rate:
    """Counts what happened in the last minute."""

    _marks: deque[tuple[dt.datetime, int]] = field(default_factory=deque)

    def add(self, now: dt.datetime, count: int) -> None:
        """Count so many more."""
        self._marks.append((now, count))

    def per_second(self, now: dt.datetime) -> float:
        """Return the mean over the last minute."""
        while self._marks and (now - self._marks[0][0]).total_seconds() > _WINDOW:
            self._marks.popleft()
        return sum(count for _, count in self._marks) / _WINDOW


class Rates:
    """What this server accepted, attempted, and had accepted by providers."""

    def __init__(self) -> None:
        self.changes, self.attempts, self.accepted = Rate(), Rate(), Rate()

    def message(self, now: dt.datetime) -> status_pb2.Rates:
        """Return them as watchers are told."""
        return status_pb2.Rates(
            change_rate=self.changes.per_second(now),
            attempt_rate=self.attempts.per_second(now),
            acceptance_rate=self.accepted.per_second(now),
        )
