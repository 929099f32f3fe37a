"""Lanes: the order in which kinds leave, so that attendance never waits behind a grade posting."""

from __future__ import annotations

from schoolbell_server.domain.kinds import Kind, Lane

LANES = (Lane.ATTENDANCE, Lane.LUNCH, Lane.RESPONSIVE, Lane.ASSIGNMENT, Lane.GRADE)
"""Lanes by their number, the first to leave first."""

_LANE_OF = {
    Kind.ATTENDANCE: Lane.ATTENDANCE,
    Kind.LUNCH_BALANCE: Lane.LUNCH,
    Kind.RESPONSIVE_SCHEDULE: Lane.RESPONSIVE,
    Kind.ASSIGNMENT: Lane.ASSIGNMENT,
    Kind.GRADE: Lane.GRADE,
}


def lane_of(kind: Kind) -> int:
    """Return the number of a kind's lane."""
    return LANES.index(_LANE_OF[kind])
