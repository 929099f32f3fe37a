"""The calendars of an extract: which sessions belong to which school and year.

OneRoster's sessions name no school. What a school's classes name are its terms; where they
name only the year itself, the parts of that year which no other school's classes name are,
and where it has none, the year is its own single term.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from schoolbell.oneroster.columns import Column, id_column, reference_column
from schoolbell.oneroster.extract import Extract
from schoolbell.oneroster.model import Calendar, School, Term
from schoolbell.oneroster.problems import ProblemLog, unusable
from schoolbell.oneroster.sessions import YEAR, Session, climb
from schoolbell.oneroster.table import Row, split_ids

GRADING_PERIOD = "gradingPeriod"
_CLASS_COLUMNS = ("schoolSourcedId", "termSourcedIds")


@dataclass(frozen=True, slots=True, kw_only=True)
class SchoolClass:
    """A class in one school year: its calendar, and the dates of its terms in it."""

    calendar_id: str
    start_date: dt.date
    end_date: dt.date


def calendar_id(school_id: str, school_year: int) -> str:
    """Return the id of a school's calendar of a year."""
    return f"{school_id}:{school_year}"


class Years:
    """Collects what the classes of a district name, and makes its calendars of it."""

    def __init__(self, sessions: dict[str, Session]) -> None:
        """Know the sessions of all schools."""
        self._sessions = sessions
        self._named: dict[tuple[str, int], set[str]] = defaultdict(set)

    def add(self, school_id: str, sessions: list[Session]) -> tuple[SchoolClass, ...]:
        """Take in a class of a school that names these sessions; return it for each of its years.

        Raises `UnusableRosterError` for a session whose year nothing tells.
        """
        by_year: dict[int, list[Session]] = defaultdict(list)
        for session in sessions:
            if session.school_year is None:
                text = "is empty here and in every session above it, and classes name this session"
                raise unusable("academicSessions.csv", session.line, "schoolYear", text)
            by_year[session.school_year].append(session)
        return tuple(self._add(school_id, year, by_year[year]) for year in sorted(by_year))

    def _add(self, school_id: str, year: int, sessions: list[Session]) -> SchoolClass:
        self._named[school_id, year].update(session.session_id for session in sessions)
        return SchoolClass(
            calendar_id=calendar_id(school_id, year),
            start_date=min(session.start_date for session in sessions),
            end_date=max(session.end_date for session in sessions),
        )

    def calendars(self) -> Iterator[Calendar]:
        """Yield a calendar for each school and year that has classes, sorted by id."""
        for school_id, year in sorted(self._named):
            terms = self._terms(school_id, year)
            spans = [*terms, *self._years_above(terms)]
            yield Calendar(
                calendar_id=calendar_id(school_id, year),
                school_id=school_id,
                school_year=year,
                start_date=min(span.start_date for span in spans),
                end_date=max(span.end_date for span in spans),
                terms=tuple(_term(session) for session in terms),
            )

    def _terms(self, school_id: str, year: int) -> list[Session]:
        named = [self._sessions[each] for each in self._named[school_id, year]]
        found = [session for session in named if session.type != YEAR]
        return sorted(
            found or self._parts(school_id, named) or named,
            key=lambda session: (session.start_date, session.session_id),
        )

    def _parts(self, school_id: str, years: list[Session]) -> list[Session]:
        above = {session.session_id for session in years}
        others: set[str] = set()
        for (other, _), ids in self._named.items():
            others |= ids if other != school_id else set()
        return [
            session
            for session in self._sessions.values()
            if session.parent_id in above
            and session.type not in (YEAR, GRADING_PERIOD)
            and session.session_id not in others
        ]

    def _years_above(self, terms: Iterable[Session]) -> Iterator[Session]:
        for session in terms:
            above = (each for each in climb(self._sessions, session) if each is not session)
            yield from (each for each in above if each.type == YEAR)


def read_classes(
    extract: Extract,
    schools: dict[str, School],
    sessions: dict[str, Session],
    years: Years,
    problems: ProblemLog,
) -> dict[str, tuple[SchoolClass, ...]]:
    """Return the classes by id, each in all its school years, and tell `years` what they name."""
    ids = id_column(problems, "sourcedId")
    at = reference_column(problems, "schoolSourcedId", schools, "orgs.csv", "school")
    terms = reference_column(problems, "termSourcedIds", sessions, "academicSessions.csv")
    classes: dict[str, tuple[SchoolClass, ...]] = {}
    for row in extract.rows("classes", _CLASS_COLUMNS):
        class_id, school_id, named = ids.read(row), at.read(row), _named(row, terms)
        if class_id in classes:
            text = "appears twice; the first row stands"
            problems.add(row.file, row.line, "sourcedId", text, is_bad=False)
        elif class_id is not None and school_id is not None and named:
            taught = years.add(school_id, [sessions[each] for each in named])
            if len(taught) > 1:
                text = f"names terms of {len(taught)} school years; the class counts in each"
                problems.add(row.file, row.line, terms.name, text, is_bad=False)
            classes[class_id] = taught
    for column in (ids, at, terms):
        column.check()
    problems.require_some("classes.csv", classes)
    return classes


def _named(row: Row, terms: Column[str]) -> list[str]:
    cell = row[terms.name]
    found = [terms.value(row, each) for each in split_ids(cell) or [cell]]
    return [each for each in found if each is not None]


def _term(session: Session) -> Term:
    return Term(
        term_id=session.session_id,
        name=session.title,
        start_date=session.start_date,
        end_date=session.end_date,
    )
