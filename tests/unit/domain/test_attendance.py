"""The value of an attendance fact: its most serious standing mark."""

from __future__ import annotations

from itertools import pairwise, permutations

import pytest

from schoolbell_server.domain.fact import Mark, Setter, Value, is_lifted
from schoolbell_server.domain.kinds import AttendanceExcuse, AttendanceStatus
from schoolbell_server.domain.kinds.attendance import AttendanceValue, standing_mark, value_of
from schoolbell_server.domain.kinds.grade import GradeValue
from tests.unit.domain.happenings import at

BY_SERIOUSNESS = [
    *(
        (status, excuse)
        for status in (
            AttendanceStatus.ABSENT,
            AttendanceStatus.TARDY,
            AttendanceStatus.EARLY_LEAVE,
            AttendanceStatus.PRESENT,
        )
        for excuse in (
            AttendanceExcuse.UNEXCUSED,
            AttendanceExcuse.UNDECIDED,
            AttendanceExcuse.EXCUSED,
            AttendanceExcuse.EXEMPT,
        )
    )
]


def a_mark(status: AttendanceStatus, excuse: AttendanceExcuse, section: str = "a") -> Mark:
    return Mark(setter=Setter("sis", section), status=status, excuse=excuse, occur_time=at(0))


@pytest.mark.parametrize(("more", "less"), list(pairwise(BY_SERIOUSNESS)))
def test_the_more_serious_mark_stands(
    more: tuple[AttendanceStatus, AttendanceExcuse],
    less: tuple[AttendanceStatus, AttendanceExcuse],
) -> None:
    for order in permutations([a_mark(*less), a_mark(*more, "b")]):
        assert value_of(standing_mark(order)) == AttendanceValue(*more)


def test_a_cleared_mark_does_not_stand() -> None:
    cleared = a_mark(AttendanceStatus.CLEARED, AttendanceExcuse.UNEXCUSED)
    present = a_mark(AttendanceStatus.PRESENT, AttendanceExcuse.EXEMPT, "b")
    assert standing_mark([cleared, present]) == present
    assert standing_mark([cleared]) is None


def test_no_mark_is_no_status() -> None:
    assert value_of(standing_mark([])) == AttendanceValue()


ABSENT, TARDY = AttendanceValue(AttendanceStatus.ABSENT), AttendanceValue(AttendanceStatus.TARDY)
LEFT = AttendanceValue(AttendanceStatus.EARLY_LEAVE)
PRESENT, NO_MARK = AttendanceValue(AttendanceStatus.PRESENT), AttendanceValue()


@pytest.mark.parametrize(
    ("before", "after", "lifted"),
    [
        (ABSENT, PRESENT, True),
        (TARDY, PRESENT, True),
        (LEFT, NO_MARK, True),
        (ABSENT, NO_MARK, True),
        (ABSENT, TARDY, False),
        (TARDY, ABSENT, False),
        (ABSENT, ABSENT, False),
        (PRESENT, NO_MARK, False),
        (NO_MARK, PRESENT, False),
        (None, PRESENT, False),
        (None, ABSENT, False),
        (GradeValue(), GradeValue(), False),
    ],
)
def test_lifted_is_from_a_worrying_mark_to_none(
    before: Value | None, after: Value | None, lifted: bool
) -> None:
    assert is_lifted(before, after) is lifted
