"""Counts what a sender sends, and the processor time it and the sink take for it."""

from __future__ import annotations

import threading
import time

from benchmarks.machine import cpu_seconds

_WARM_UP = 0.5  # seconds


class Meter:
    """Counts what is accepted between the warm-up and the end."""

    def __init__(self, seconds: float, sink: int) -> None:
        """`sink` is the sink's process id."""
        self._sink = sink
        self._warm = time.monotonic() + _WARM_UP
        self._end = self._warm + seconds
        self._begin = (0.0, 0.0, 0.0)
        self._lock = threading.Lock()
        self.count = 0
        self.failed = 0

    def note(self, accepted: int, failed: int = 0) -> bool:
        """Count; return whether to go on."""
        now = time.monotonic()
        with self._lock:
            if not self._begin[0]:
                if now >= self._warm:
                    self._begin = self._times()
            else:
                self.count += accepted
            self.failed += failed
        return now < self._end

    def report(self) -> dict[str, float]:
        """Return the figures."""
        pairs = zip(self._times(), self._begin, strict=True)
        clock, processor, sink = (now - then for now, then in pairs)
        counts = {"sent": self.count, "failed": self.failed}
        return counts | {"clock": clock, "processor": processor, "sink": sink}

    def _times(self) -> tuple[float, float, float]:
        return time.monotonic(), time.process_time(), cpu_seconds(self._sink)
