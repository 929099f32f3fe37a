"""Lanes: the queues in which deliveries wait, so that attendance never waits behind a posting."""

from __future__ import annotations

from enum import IntEnum, unique

from schoolbell_server.domain.kinds import Kind


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


_LANE_OF = {
    Kind.ATTENDANCE: Lane.ATTENDANCE,
    Kind.LUNCH_BALANCE: Lane.LUNCH,
    Kind.RESPONSIVE_SCHEDULE: Lane.RESPONSIVE,
    Kind.ASSIGNMENT: Lane.ASSIGNMENT,
    Kind.GRADE: Lane.GRADE,
}


def lane_of(kind: Kind) -> Lane:
    """Return the lane of a kind."""
    return _LANE_OF[kind]
