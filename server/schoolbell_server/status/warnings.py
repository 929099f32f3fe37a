"""What an administrator should know or do, each with the time since when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from schoolbell.v1 import status_pb2
from schoolbell_server.contract.fields import write_time


@dataclass(frozen=True, slots=True)
class ActiveWarning:
    """Something that is so now."""

    code: status_pb2.WarningCode.ValueType
    text: str
    since: dt.datetime | None = None
    """None: nobody watches for it, and it began when it was first seen."""
    subject: str = ""
    """Which of several that have the same code: the name of a link."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What it is about, as the comment of its code says."""


class WarningTimes:
    """Remembers, district by district, when warnings that nobody watches for were first seen."""

    def __init__(self, clock: Callable[[], dt.datetime]) -> None:
        self._clock = clock
        self._seen: dict[str, dict[tuple[int, str], dt.datetime]] = {}

    def dated(
        self, district_id: str, found: Sequence[ActiveWarning]
    ) -> list[status_pb2.ServiceWarning]:
        """Return all warnings of a district; one that is over and comes again begins anew."""
        before, now = self._seen.get(district_id, {}), self._clock()
        times: dict[tuple[int, str], dt.datetime] = {
            (one.code, one.subject): one.since or before.get((one.code, one.subject), now)
            for one in found
        }
        self._seen[district_id] = times
        return [
            status_pb2.ServiceWarning(
                code=one.code,
                text=one.text,
                start_time=write_time(times[one.code, one.subject]),
                metadata=one.metadata,
            )
            for one in found
        ]
