"""Facts: what changes speak of, and what is known of each.

Two changes speak of the same fact when their fact keys are equal. The *value* of a fact is
what a family would see change; names, titles and comments are not part of it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from schoolbell_server.domain.kinds import AttendanceExcuse, AttendanceStatus

FactKey = str
"""A canonical text that names a fact within its district; opaque outside this package."""


@dataclass(frozen=True, slots=True)
class ScoreValue:
    """What an assignment was scored, or that it is missing."""

    percent: Decimal | None = None
    points: Decimal | None = None
    missing: bool = False
    mark: str = ""


@dataclass(frozen=True, slots=True)
class AssignedValue:
    """Whether an assignment stands or was withdrawn."""

    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class DueDateValue:
    """When an assignment is due."""

    due_date: dt.date | None = None


@dataclass(frozen=True, slots=True)
class GradeValue:
    """A posted grade; neither percent nor mark is a removed one."""

    percent: Decimal | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True)
class AttendanceValue:
    """The most serious standing mark; no status is no mark."""

    status: AttendanceStatus | None = None
    excuse: AttendanceExcuse | None = None


@dataclass(frozen=True, slots=True)
class BalanceValue:
    """What is left on a lunch account, in the district's currency."""

    balance: Decimal


@dataclass(frozen=True, slots=True)
class ScheduleValue:
    """What is scheduled in a flexible period, or that nothing is."""

    offering_name: str = ""
    location: str = ""
    removed: bool = False


Value = (
    ScoreValue
    | AssignedValue
    | DueDateValue
    | GradeValue
    | AttendanceValue
    | BalanceValue
    | ScheduleValue
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Previous:
    """What a fact was before a change, and how that is known."""

    value: Value | None = None
    """None where the previous value is unknown."""
    from_publisher: bool = False
    """The change itself said so; Schoolbell had stored nothing."""
    set_time: dt.datetime | None = None
    """The receive time of the change that set it; None for the publisher's and the unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactUpdate:
    """What one change does to the fact (for a move: to both facts) that it speaks of."""

    key: FactKey
    """The fact that is told; a move's is that of its new place."""
    other_key: FactKey | None = None
    """The second fact that a move touches: that of its old place."""
    previous: Previous = Previous()
    current: Value | None = None
    """The fact's value after the change (of an older change: the value that stands)."""
    older: bool = False
    """Older than what is known: it changes nothing that is told (gate 16)."""
    known_time: dt.datetime | None = None
    """When what was known occurred (of a mark: the same section's last one)."""
    changed: bool = True
    """False where the fact's known value stays as it was."""
    same_setter: bool = False
    """The known value was last set by this change's own source and section."""
    lifted: bool = False
    """An attendance mark is lifted: from absent, tardy or early leave to present or no mark."""
    value_time: dt.datetime | None = None
    """Of a lunch account whose balance stays as it was: since when it is known."""
    by_student: Mapping[str, FactUpdate] = field(default_factory=dict)
    """Of a lunch account: what the change does to what was said of each student's account."""

    def of(self, student_id: str) -> FactUpdate:
        """Return the update by which a student's side of the change is judged."""
        return self.by_student.get(student_id, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What one device was last going to be told of a fact, or was told."""

    previous: Previous
    """Of the oldest delivery with no attempt yet, else the fact's previous."""
    attempted: bool = False
    """A delivery of the fact to this device has an attempt that was not rejected."""
