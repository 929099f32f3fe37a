"""Token buckets that refill by the sandbox's clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """So many at once, and one more every so many seconds."""

    burst: int
    refill_seconds: float

    @classmethod
    def per(cls, seconds: float, count: int) -> Quota:
        """Return the quota of `count` in every `seconds`."""
        return cls(burst=count, refill_seconds=seconds / count)


class Buckets:
    """One bucket per key, full when first seen."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, key: str, now: float) -> float:
        """Take one and return 0, or return the seconds until there is one."""
        quota = self._quota
        level, then = self._levels.get(key, (float(quota.burst), now))
        level = min(quota.burst, level + max(0.0, now - then) / quota.refill_seconds)
        if level < 1.0:
            self._levels[key] = (level, now)
            return (1.0 - level) * quota.refill_seconds
        self._levels[key] = (level - 1.0, now)
        return 0.0

    def clear(self) -> None:
        """Fill all buckets."""
        self._levels.clear()
