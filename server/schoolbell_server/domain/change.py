"""What an SIS says happened, as plain values.

Percentages are `Decimal` with at most 4 decimals, money is an exact `Decimal` in the
district's currency, times are aware UTC datetimes, school-local facts are dates.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from schoolbell_server.domain.kinds import (
    AssignmentAction,
    AttendanceExcuse,
    AttendanceStatus,
    Kind,
    ResponsiveScheduleAction,
)

_FOUR_DECIMALS = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentChange:
    """What a teacher did with an assignment."""

    action: AssignmentAction
    assignment_id: str
    section_id: str
    title: str = ""
    course_name: str = ""
    term_id: str | None = None
    due_date: dt.date | None = None
    score_percent: Decimal | None = None
    previous_score_percent: Decimal | None = None
    points: Decimal | None = None
    points_possible: Decimal | None = None
    mark: str = ""
    previous_due_date: dt.date | None = None

    @property
    def percent(self) -> Decimal | None:
        """Return the score in percent: as published, else `points / points_possible`.

        None where neither is known. It is rounded to 4 decimals.
        """
        if self.score_percent is not None or self.points is None or not self.points_possible:
            return self.score_percent
        return (100 * self.points / self.points_possible).quantize(_FOUR_DECIMALS).normalize()


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeChange:
    """A grade was posted, changed, or (neither percent nor mark) removed."""

    section_id: str
    grading_task: str
    grading_period: str
    course_name: str = ""
    term_id: str | None = None
    percent: Decimal | None = None
    previous_percent: Decimal | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttendanceChange:
    """A section marked a student for a period of a day; period '' is the whole day."""

    date: dt.date
    status: AttendanceStatus
    excuse: AttendanceExcuse
    period: str = ""
    section_id: str = ""
    course_name: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LunchBalanceChange:
    """The balance of a lunch account changed."""

    account_id: str
    balance: Decimal
    previous_balance: Decimal | None = None
    shared_student_ids: tuple[str, ...] = ()
    """The students who share the account beside the change's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsiveScheduleChange:
    """The offering of a flexible period was added, moved or removed."""

    action: ResponsiveScheduleAction
    date: dt.date
    period: str
    offering_name: str = ""
    location: str = ""
    previous_date: dt.date | None = None
    previous_period: str | None = None
    previous_offering_name: str = ""


Payload = (
    AssignmentChange
    | GradeChange
    | AttendanceChange
    | LunchBalanceChange
    | ResponsiveScheduleChange
)

_KIND_OF: dict[type, Kind] = {
    AssignmentChange: Kind.ASSIGNMENT,
    GradeChange: Kind.GRADE,
    AttendanceChange: Kind.ATTENDANCE,
    LunchBalanceChange: Kind.LUNCH_BALANCE,
    ResponsiveScheduleChange: Kind.RESPONSIVE_SCHEDULE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeKey:
    """The publisher's name of a change: unique within its source."""

    source: str
    change_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that changed at school for one student."""

    key: ChangeKey
    student_id: str
    occur_time: dt.datetime
    payload: Payload
    calendar_id: str | None = None
    historical: bool = False

    @property
    def kind(self) -> Kind:
        """Return the kind that the payload implies."""
        return _KIND_OF[type(self.payload)]

    @property
    def student_ids(self) -> tuple[str, ...]:
        """Return whom it is about: the student, then those who share the lunch account."""
        payload = self.payload
        shared = payload.shared_student_ids if isinstance(payload, LunchBalanceChange) else ()
        return (self.student_id, *shared)
