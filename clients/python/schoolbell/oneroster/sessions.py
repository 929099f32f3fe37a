"""The schools and the academic sessions of an extract."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from schoolbell.oneroster.columns import (
    OPEN,
    date_column,
    end_column,
    id_column,
    is_nothing,
    sound_year,
)
from schoolbell.oneroster.extract import Extract
from schoolbell.oneroster.model import School
from schoolbell.oneroster.problems import ProblemLog, unusable
from schoolbell.oneroster.table import Row

_SCHOOL_ID_LENGTH = 123
"""So that `<school>:<schoolYear>` is an id as well."""
YEAR = "schoolYear"
_SCHOOL_YEAR = re.compile(r"(\d{4})(?: ?[-\u2013/] ?(\d{4}|\d{2}))?", re.ASCII)
"""2027, or a range such as 2026-2027, 2026-27, 2026/27."""
_ORG_COLUMNS = ("name", "type")
_SESSION_COLUMNS = ("title", "type", "startDate", "endDate", "parentSourcedId", "schoolYear")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An academic session; `end_date` is inclusive."""

    line: int
    session_id: str
    title: str
    type: str
    start_date: dt.date
    end_date: dt.date
    parent_id: str
    school_year: int | None
    """The year in which it ends; None where neither it nor a session above it names one."""


def read_schools(extract: Extract, problems: ProblemLog) -> dict[str, School]:
    """Return the orgs that are schools, by id."""
    ids = id_column(problems, "sourcedId")
    schools: dict[str, School] = {}
    for row in extract.rows("orgs", _ORG_COLUMNS):
        school_id = ids.read(row) if row["type"].lower() == "school" else None
        if school_id in schools:
            text = "appears twice; the first row stands"
            problems.add(row.file, row.line, "sourcedId", text, is_bad=False)
        elif school_id is not None and len(school_id) > _SCHOOL_ID_LENGTH:
            text = f"is longer than {_SCHOOL_ID_LENGTH} characters; the school is left out"
            problems.add(row.file, row.line, "sourcedId", text)
        elif school_id is not None:
            schools[school_id] = School(school_id=school_id, name=row["name"])
    ids.check()
    problems.require_some("orgs.csv", schools)
    return schools


def read_sessions(
    extract: Extract, end_shift: dt.timedelta, problems: ProblemLog
) -> dict[str, Session]:
    """Return the sessions by id; `end_shift` makes their end dates inclusive.

    What a session does not say itself, the sessions above it say: its year, and where its end is
    open, its end. Raises `UnusableRosterError` for a year that cannot be read.
    """
    ids = id_column(problems, "sourcedId")
    starts, ends = date_column(problems, "startDate"), end_column(problems, "endDate")
    sessions: dict[str, Session] = {}
    for row in extract.rows("academicSessions", _SESSION_COLUMNS):
        session_id, start, (end, end_known) = ids.read(row), starts.read(row), ends.given(row)
        if session_id is None or start is None or not end_known:
            continue
        end = OPEN if end in (None, OPEN) else end + end_shift
        if session_id in sessions:
            text = "appears twice; the first row stands"
            problems.add(row.file, row.line, "sourcedId", text, is_bad=False)
        elif end < start:
            problems.add(row.file, row.line, "endDate", "lies before startDate; left out")
        else:
            sessions[session_id] = _session(session_id, row, start, end)
    for column in (ids, starts, ends):
        column.check()
    found = {each.session_id: each for each in _resolved(sessions, problems)}
    problems.require_some("academicSessions.csv", found)
    return found


def climb(sessions: dict[str, Session], session: Session) -> Iterator[Session]:
    """Yield a session and those above it; sessions that name each other are yielded once."""
    climbed: set[str] = set()
    above: Session | None = session
    while above is not None and above.session_id not in climbed:
        climbed.add(above.session_id)
        yield above
        above = sessions.get(above.parent_id)


def _resolved(sessions: dict[str, Session], problems: ProblemLog) -> Iterator[Session]:
    for session in sessions.values():
        chain = list(climb(sessions, session))
        end = next((each.end_date for each in chain if each.end_date != OPEN), None)
        if end is None or end < session.start_date:
            text = "is open, and no session above has an end; left out"
            problems.add("academicSessions.csv", session.line, "endDate", text)
            continue
        year = next((year for each in chain if (year := _year_of(each)) is not None), None)
        yield replace(session, end_date=end, school_year=year)


def _year_of(session: Session) -> int | None:
    """Return the year that a session itself tells: a school year is named by its end."""
    if session.school_year is None and session.type == YEAR and session.end_date != OPEN:
        return session.end_date.year
    return session.school_year


def _school_year(row: Row) -> int | None:
    """Return the year in which the school year of a row ends, or None where it names none."""
    cell = row["schoolYear"]
    if is_nothing(cell):
        return None
    found = _SCHOOL_YEAR.fullmatch(cell)
    if found is not None:
        first, last = int(found[1]), found[2]
        year = first if last is None else first + 1
        if sound_year(year) and (last is None or str(year).endswith(last)):
            return year
    text = f"{cell!r} is no school year (2027, a range such as 2026-2027, or empty)"
    raise unusable(row.file, row.line, "schoolYear", text)


def _session(session_id: str, row: Row, start: dt.date, end: dt.date) -> Session:
    return Session(
        line=row.line,
        session_id=session_id,
        title=row["title"],
        type=row["type"],
        start_date=start,
        end_date=end,
        parent_id=row["parentSourcedId"],
        school_year=_school_year(row),
    )
