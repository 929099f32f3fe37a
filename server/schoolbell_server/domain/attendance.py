"""What an attendance fact is, given what every section says.

The most serious standing mark counts (absent, tardy, early leave, present); of equal ones the
least excused. Only the section that set a mark can lift it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from schoolbell_server.domain.fact import AttendanceValue, Baseline, FactUpdate, Value
from schoolbell_server.domain.fact_state import Mark
from schoolbell_server.domain.kinds import PROMPT_STATUSES, AttendanceExcuse, AttendanceStatus

_STATUS_ORDER = (
    AttendanceStatus.ABSENT,
    AttendanceStatus.TARDY,
    AttendanceStatus.EARLY_LEAVE,
    AttendanceStatus.PRESENT,
)
_EXCUSE_ORDER = (
    AttendanceExcuse.UNEXCUSED,
    AttendanceExcuse.UNDECIDED,
    AttendanceExcuse.EXCUSED,
    AttendanceExcuse.EXEMPT,
)


def standing_mark(marks: Iterable[Mark]) -> Mark | None:
    """Return the most serious mark that stands."""
    standing = (mark for mark in marks if mark.status is not AttendanceStatus.CLEARED)
    return min(standing, key=_seriousness, default=None)


def value_of(mark: Mark | None) -> AttendanceValue:
    """Return the fact's value where this mark stands; no mark has no status."""
    return AttendanceValue() if mark is None else AttendanceValue(mark.status, mark.excuse)


def is_lifted(before: Value | None, after: Value | None) -> bool:
    """Return whether a mark that a family worries about is gone."""
    return _is_prompt(before) and not _is_prompt(after)


def lifts(update: FactUpdate, baselines: Mapping[str, Baseline]) -> bool:
    """Return whether a change lifts a mark: the fact's, or that of a lifting that it replaces.

    What has not left is superseded by the next change, which then has to do its work: where a
    present mark is cleared before the family was told of it, the absence is still to be lifted.
    """
    return update.lifted or any(
        is_lifted(baseline.previous.value, update.current) for baseline in baselines.values()
    )


def _seriousness(mark: Mark) -> tuple[int, int]:
    return _STATUS_ORDER.index(mark.status), _EXCUSE_ORDER.index(mark.excuse)


def _is_prompt(value: Value | None) -> bool:
    return isinstance(value, AttendanceValue) and value.status in PROMPT_STATUSES
