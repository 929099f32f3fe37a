"""Reads an extract whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from schoolbell.oneroster.enrollments import read_enrollments
from schoolbell.oneroster.extract import Extract
from schoolbell.oneroster.model import Roster
from schoolbell.oneroster.people import read_people
from schoolbell.oneroster.problems import ProblemLog
from schoolbell.oneroster.relationships import read_relationships
from schoolbell.oneroster.sessions import read_schools, read_sessions
from schoolbell.oneroster.years import Years, read_classes

EndDates = Literal["inclusive", "exclusive"]
"""Whether the end dates of sessions and enrollments are the last day or the day after it.
The standard says the day after; most extracts mean the last day."""


def read(
    directory: Path,
    relationships: Path | None = None,
    end_dates: EndDates = "inclusive",
    *,
    deltas: Sequence[Path] = (),
) -> Roster:
    """Read a bulk extract, with the deltas that came after it, into a whole roster.

    Rows that cannot be used are left out and reported in `Roster.problems`.
    Raises `UnusableRosterError` where a file cannot be used at all.
    """
    problems = ProblemLog()
    end_shift = dt.timedelta(days=0 if end_dates == "inclusive" else -1)
    extract = Extract(directory, deltas, problems)
    schools = read_schools(extract, problems)
    sessions = read_sessions(extract, end_shift, problems)
    years = Years(sessions)
    classes = read_classes(extract, schools, sessions, years, problems)
    people = read_people(extract, problems)
    ties = read_relationships(people, relationships, problems)
    enrollments = read_enrollments(extract, people.users, classes, end_shift, problems)
    return Roster(
        schools=tuple(schools[each] for each in sorted(schools)),
        calendars=tuple(years.calendars()),
        users=tuple(people.users[each] for each in sorted(people.users)),
        relationships=tuple(ties[pair] for pair in sorted(ties)),
        enrollments=tuple(enrollments),
        problems=tuple(problems.kept),
        problem_count=problems.count,
    )
