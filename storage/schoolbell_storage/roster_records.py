"""The records of a roster: plain values, and how they are read from their rows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import IntEnum, unique

from schoolbell_server.domain.world import Term
from schoolbell_storage.mapping import Mapper


@unique
class RecordType(IntEnum):
    """The types of records, numbered as in the contract."""

    SCHOOL = 1
    CALENDAR = 2
    USER = 3
    RELATIONSHIP = 4
    ENROLLMENT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SchoolRecord:
    """A school; an empty time zone is the district's."""

    school_id: str
    display_name: str = ""
    time_zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarRecord:
    """A school's calendar of one school year."""

    calendar_id: str
    school_id: str
    school_year: int
    start_date: dt.date
    end_date: dt.date
    terms: tuple[Term, ...] = ()
    display_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRecord:
    """A person's account."""

    user_id: str
    enabled: bool = False
    birth_date: dt.date | None = None
    given_name: str = ""
    family_name: str = ""
    preferred_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationshipRecord:
    """A guardian's relationship to a student."""

    student_id: str
    guardian_id: str
    relation: str = ""
    portal_enabled: bool = False
    adult_consent: bool = False
    start_date: dt.date | None = None
    end_date: dt.date | None = None
    barred: bool | None = None
    """Whether the source that brings the record bars the guardian; None says nothing of it.
    Bars are stored apart, so a record that is read back says nothing either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentRecord:
    """A student's stay in a calendar."""

    enrollment_id: str
    student_id: str
    calendar_id: str
    start_date: dt.date
    end_date: dt.date | None = None
    portal_visible: bool = False


Record = SchoolRecord | CalendarRecord | UserRecord | RelationshipRecord | EnrollmentRecord


@dataclass(frozen=True, slots=True)
class RecordName:
    """What names a record: its type and its one or two ids."""

    record_type: RecordType
    ids: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join(self.ids)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a stored record comes from, when it last changed, and whether it counts."""

    source: str
    update_time: dt.datetime
    active: bool


decode_origin = Mapper(Origin).decode
decode_school = Mapper(SchoolRecord).decode
decode_user = Mapper(UserRecord).decode
decode_relationship = Mapper(RelationshipRecord, without={"barred"}).decode
decode_enrollment = Mapper(EnrollmentRecord).decode
