"""A bound on lines that repeat: the first few are written, then a few a minute with a count.

Every record goes through, so that no line can be forgotten. Lines are the same where their logger,
message and kind are: messages are constants, and of the fields only those count whose values are a
closed vocabulary, never what a caller made up.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

BURST = 20
"""Lines of a sort that are written at once."""
INTERVAL = 6.0
"""Seconds after which one more of them is written."""
LEFT_OUT = "left_out"
"""The field that says how many lines of the sort were not written before this one."""
_SORTS = ("code", "reason", "state", "outcome", "provider", "app_id", "task", "warning", "lane")
_MOST_SORTS = 1_000


@dataclass(slots=True)
class _Sort:
    written: float
    """Lines in the recent past, falling by one each interval."""
    time: float
    left_out: int = 0


class Repeats(logging.Filter):
    """Keeps repeated lines from a handler, and tells with a later one how many there were."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._sorts: dict[tuple[object, ...], _Sort] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is written; debug records always are."""
        if record.levelno < logging.INFO:
            return True
        now, sort = self._clock(), self._sort(record)
        sort.written = max(0.0, sort.written - (now - sort.time) / INTERVAL)
        sort.time = now
        if sort.written > BURST - 1:
            sort.left_out += 1
            return False
        sort.written += 1
        if sort.left_out:
            setattr(record, LEFT_OUT, sort.left_out)
            sort.left_out = 0
        return True

    def left_out(self) -> list[tuple[str, str, int]]:
        """Return, once, what was left out of the log and not told since: logger, message, count."""
        found = []
        for (name, message, *_), sort in self._sorts.items():
            if sort.left_out:
                found.append((str(name), str(message), sort.left_out))
                sort.left_out = 0
        return found

    def _sort(self, record: logging.LogRecord) -> _Sort:
        fields = vars(record)
        key = (record.name, str(record.msg), *(fields.get(name) for name in _SORTS))
        found = self._sorts.pop(key, None)
        if found is None:
            if len(self._sorts) >= _MOST_SORTS:
                del self._sorts[next(iter(self._sorts))]
            found = _Sort(0.0, self._clock())
        self._sorts[key] = found  # what was seen last goes last
        return found
