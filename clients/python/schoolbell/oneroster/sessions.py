"""The schools and the academic sessions of an extract."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from schoolbell.oneroster.columns import date_column, id_column, sound_year
from schoolbell.oneroster.extract import Extract
from schoolbell.oneroster.model import School
from schoolbell.oneroster.problems import ProblemLog
from schoolbell.oneroster.table import Row

_SCHOOL_ID_LENGTH = 123
"""So that `<school>:<schoolYear>` is an id as well."""
_ORG_COLUMNS = ("name", "type")
_SESSION_COLUMNS = ("title", "type", "startDate", "endDate", "parentSourcedId", "schoolYear")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An academic session; `end_date` is inclusive."""

    session_id: str
    title: str
    type: str
    start_date: dt.date
    end_date: dt.date
    parent_id: str
    school_year: int


def read_schools(extract: Extract, problems: ProblemLog) -> dict[str, School]:
    """Return the orgs that are schools, by id."""
    ids = id_column(problems, "sourcedId")
    schools: dict[str, School] = {}
    for row in extract.rows("orgs", _ORG_COLUMNS):
        school_id = ids.read(row) if row["type"].lower() == "school" else None
        if school_id in schools:
            problems.add(row.file, row.line, "sourcedId", "appears twice; the first row stands")
        elif school_id is not None and len(school_id) > _SCHOOL_ID_LENGTH:
            text = f"is longer than {_SCHOOL_ID_LENGTH} characters; the school is left out"
            problems.add(row.file, row.line, "sourcedId", text)
        elif school_id is not None:
            schools[school_id] = School(school_id=school_id, name=row["name"])
    ids.check()
    return schools


def read_sessions(
    extract: Extract, end_shift: dt.timedelta, problems: ProblemLog
) -> dict[str, Session]:
    """Return the sessions by id; `end_shift` makes their end dates inclusive."""
    ids = id_column(problems, "sourcedId")
    starts, ends = date_column(problems, "startDate"), date_column(problems, "endDate")
    sessions: dict[str, Session] = {}
    for row in extract.rows("academicSessions", _SESSION_COLUMNS):
        session_id, start, end = ids.read(row), starts.read(row), ends.read(row)
        if session_id is None or start is None or end is None:
            continue
        if session_id in sessions:
            problems.add(row.file, row.line, "sourcedId", "appears twice; the first row stands")
        elif end + end_shift < start:
            problems.add(row.file, row.line, "endDate", "lies before startDate; left out")
        else:
            year = _school_year(row, end, problems)
            sessions[session_id] = _session(session_id, row, start, end + end_shift, year)
    for column in (ids, starts, ends):
        column.check()
    return sessions


def _school_year(row: Row, end: dt.date, problems: ProblemLog) -> int:
    cell = row["schoolYear"]
    year = int(cell) if cell.isascii() and cell.isdigit() and len(cell) == 4 else 0
    if sound_year(year):
        return year
    text = f"{cell!r} is not a year (YYYY); taken from endDate"
    problems.add(row.file, row.line, "schoolYear", text)
    return end.year


def _session(session_id: str, row: Row, start: dt.date, end: dt.date, year: int) -> Session:
    return Session(
        session_id=session_id,
        title=row["title"],
        type=row["type"],
        start_date=start,
        end_date=end,
        parent_id=row["parentSourcedId"],
        school_year=year,
    )
