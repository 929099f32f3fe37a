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
from schoolbell.oneroster.problems import (
    MOST_BAD_ROWS_PERCENT,
    Problem,
    ProblemLog,
    UnusableRosterError,
)
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
    most_bad_rows_percent: float = MOST_BAD_ROWS_PERCENT,
    today: dt.date | None = None,
) -> Roster:
    """Read a bulk extract, with the deltas that came after it, into a whole roster.

    Rows that cannot be used are left out and reported in `Roster.problems`. `today` decides which
    roles of OneRoster 1.2 count; None is this machine's date.
    Raises `UnusableRosterError` where a file cannot be used at all, or more than
    `most_bad_rows_percent` of its rows (0 to 100) have problems. It names the first such file,
    since the rows of later files may fail only for what is missing there.
    """
    problems = ProblemLog()
    end_shift = dt.timedelta(days=0 if end_dates == "inclusive" else -1)
    try:
        extract = Extract(directory, deltas, problems)
        roster = _read(extract, relationships, end_shift, today or dt.date.today(), problems)
    except UnusableRosterError as error:
        raise _refusal(error.problem, most_bad_rows_percent, problems) from None
    spoiled = problems.first_spoiled(most_bad_rows_percent)
    if spoiled is not None:
        raise UnusableRosterError(spoiled, problems.kept, problems.count)
    return roster


def _refusal(
    problem: Problem, most_bad_rows_percent: float, problems: ProblemLog
) -> UnusableRosterError:
    """Return the error of what stopped the reading, or of the file before it that caused it."""
    spoiled = problems.first_spoiled(most_bad_rows_percent)
    if spoiled is None or spoiled.file == problem.file:
        return UnusableRosterError(problem, problems.kept, problems.count)
    problems.add(problem.file, problem.line, problem.column, problem.text)
    return UnusableRosterError(spoiled, problems.kept, problems.count)


def _read(
    extract: Extract,
    side_file: Path | None,
    end_shift: dt.timedelta,
    today: dt.date,
    problems: ProblemLog,
) -> Roster:
    schools = read_schools(extract, problems)
    sessions = read_sessions(extract, end_shift, problems)
    years = Years(sessions)
    classes = read_classes(extract, schools, sessions, years, problems)
    people = read_people(extract, today, problems)
    relationships = read_relationships(people, side_file, problems)
    enrollments = tuple(read_enrollments(extract, people, classes, end_shift, problems))
    return Roster(
        schools=tuple(schools[each] for each in sorted(schools)),
        calendars=tuple(years.calendars()),
        users=tuple(people.users[each] for each in sorted(people.users)),
        relationships=tuple(relationships[pair] for pair in sorted(relationships)),
        relationships_provided=side_file is not None,
        enrollments=enrollments,
        problems=tuple(problems.kept),
        problem_count=problems.count,
    )
