"""Notices a feed that writes percentages as fractions: 0.85 for 85 percent."""

from __future__ import annotations

from schoolbell.v1.change_pb2 import Change

_FIELDS = {
    "assignment": ("score_percent", "previous_score_percent"),
    "grade": ("percent", "previous_percent"),
}


class Percents:
    """Watches the percentages of the changes that pass."""

    def __init__(self) -> None:
        self._count = 0
        self._largest = 0.0

    def add(self, change: Change) -> None:
        """Take in the percentages of a change."""
        arm = change.WhichOneof("payload") or ""
        for name in _FIELDS.get(arm, ()):
            payload = getattr(change, arm)
            if payload.HasField(name):
                self._count += 1
                self._largest = max(self._largest, getattr(payload, name))

    @property
    def warning(self) -> str:
        """Return what is to be warned of; '' is nothing."""
        if not 0 < self._largest <= 1:
            return ""
        return (
            f"every percentage of the feed ({self._count}) lies between 0 and 1; "
            "68.25 percent is written 68.25, not 0.6825"
        )
