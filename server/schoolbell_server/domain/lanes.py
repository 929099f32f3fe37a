"""Lanes: the queues in which deliveries wait, so that attendance never waits behind a posting."""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class Lane(IntEnum):
    """A queue; the lowest number leaves first. Numbers are stored: they never change meaning."""

    ATTENDANCE = 0
    LUNCH = 1
    RESPONSIVE = 2
    ASSIGNMENT = 3
    GRADE = 4

    @property
    def label(self) -> str:
        """Return its name as status and metrics show it."""
        return self.name.lower()
