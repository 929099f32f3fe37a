"""What an extract says of a district, in Schoolbell's words. All date ranges are inclusive."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from schoolbell.oneroster.problems import Problem

STUDENT_ROLE = "student"
GUARDIAN_ROLES = frozenset({"guardian", "parent", "relative"})


@dataclass(frozen=True, slots=True, kw_only=True)
class School:
    """A school of the district."""

    school_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A part of a school year, as the school's classes name it."""

    term_id: str
    name: str
    start_date: dt.date
    end_date: dt.date


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """A school's year; `calendar_id` is `<school>:<schoolYear>`."""

    calendar_id: str
    school_id: str
    school_year: int
    """The year in which it ends."""
    start_date: dt.date
    end_date: dt.date
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person; only students and guardians become records."""

    user_id: str
    enabled: bool
    roles: frozenset[str]
    given_name: str
    family_name: str
    birth_date: dt.date | None = None
    provided: frozenset[str] = frozenset()
    """The fields that the extract provides; what is stored in the others stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relationship:
    """A guardian's relationship to a student. Only the side file can enable the portal."""

    student_id: str
    guardian_id: str
    relation: str = ""
    portal_enabled: bool = False
    barred: bool = False
    adult_consent: bool = False
    start_date: dt.date | None = None
    end_date: dt.date | None = None
    provided: frozenset[str] = frozenset()
    """The fields that the side file provides; what is stored in the others stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrollment:
    """A student's stay in a calendar: the hull of the class enrollments there."""

    enrollment_id: str
    student_id: str
    calendar_id: str
    start_date: dt.date
    end_date: dt.date


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """A whole roster, each sequence sorted by id, and what was wrong with the extract."""

    schools: tuple[School, ...]
    calendars: tuple[Calendar, ...]
    users: tuple[User, ...]
    relationships: tuple[Relationship, ...]
    relationships_provided: bool
    """False without a side file: then these are bare pairs, which change nothing stored."""
    enrollments: tuple[Enrollment, ...]
    problems: tuple[Problem, ...]
    """The first 1,000 of them."""
    problem_count: int
