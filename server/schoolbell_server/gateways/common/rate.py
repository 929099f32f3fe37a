"""A token bucket for a provider's project-wide rate; it slows down when the provider asks."""

from __future__ import annotations

import time
from collections.abc import Callable

SLOWEST = 1 / 64
"""The least part of the rate that is kept."""
RECOVERY = 10.0
"""Seconds after which a halved rate doubles again."""


class TokenBucket:
    """So many a second, with a second's worth at once."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._full = per_second
        self._clock = clock
        self._share = 1.0
        self._level = per_second
        self._then = self._changed = clock()

    def take(self) -> float:
        """Take one and return the seconds to wait before using it; places are kept in order."""
        rate = self._fill()
        self._level -= 1.0
        return max(0.0, -self._level / rate)

    def take_at_once(self, count: int) -> bool:
        """Take so many if none of them has to wait; return whether they were taken."""
        self._fill()
        if self._level < count:
            return False
        self._level -= count
        return True

    def give_back(self, count: int = 1) -> None:
        """Return what was taken and not used."""
        self._level += count

    def slow_down(self) -> None:
        """Halve the rate: the provider says that it is too much. At most once a second."""
        now = self._clock()
        share = self._rate(now) / self._full
        if share < 1.0 and now - self._changed < 1.0:
            return
        self._share = max(SLOWEST, share / 2)
        self._changed = self._then = now
        self._level = min(self._level, 0.0)

    def _fill(self) -> float:
        """Add what has come since the last look; return the present rate."""
        now = self._clock()
        rate = self._rate(now)
        self._level = min(rate, self._level + (now - self._then) * rate)
        self._then = now
        return rate

    def _rate(self, now: float) -> float:
        """Return the present rate; it doubles every `RECOVERY` seconds until it is whole."""
        doublings = int((now - self._changed) / RECOVERY)
        if doublings and self._share < 1.0:
            self._share = min(1.0, self._share * 2.0 ** min(doublings, 10))
            self._changed += doublings * RECOVERY
        return self._full * self._share
