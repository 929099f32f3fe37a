"""A clock that tests can move: tokens expire and quotas refill without anybody waiting."""

from __future__ import annotations

import time


class Clock:
    """Epoch seconds, the real ones until somebody moves them."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._frozen_at: float | None = None

    def now(self) -> float:
        """Return the time in epoch seconds."""
        if self._frozen_at is not None:
            return self._frozen_at
        return time.time() + self._offset

    def set(self, epoch_seconds: float, *, frozen: bool = False) -> None:
        """Jump to a time, and stand still there if frozen."""
        self._frozen_at = epoch_seconds if frozen else None
        self._offset = epoch_seconds - time.time()

    def advance(self, seconds: float) -> None:
        """Jump ahead (or back, if negative)."""
        self._offset += seconds
        if self._frozen_at is not None:
            self._frozen_at += seconds

    def reset(self) -> None:
        """Return to the real time."""
        self._offset = 0.0
        self._frozen_at = None
