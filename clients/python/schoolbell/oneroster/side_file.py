"""The side file: what OneRoster cannot say of a student and a guardian.

Its flags protect people, so that a line which cannot be read enables no portal, and takes
nothing away that is stored.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path

from schoolbell.oneroster.columns import (
    OPEN,
    Column,
    date_column,
    end_column,
    flag_column,
    reference_column,
)
from schoolbell.oneroster.model import STUDENT_ROLE, Relationship
from schoolbell.oneroster.people import People
from schoolbell.oneroster.problems import ProblemLog
from schoolbell.oneroster.table import Row, rows

Pair = tuple[str, str]
"""A student's and a guardian's id."""

_REQUIRED = ("studentSourcedId", "guardianSourcedId")
_FIELDS = {
    "relation": "relation",
    "portal": "portal_enabled",
    "barred": "barred",
    "adultConsent": "adult_consent",
    "startDate": "start_date",
    "endDate": "end_date",
}
"""The columns of flags and dates, and the fields that they provide."""
_ALIKE = 0.75  # from 0 to 1, as `difflib` measures it


@dataclass(slots=True)
class SideFile:
    """The lines of the side file by pair."""

    lines: dict[Pair, Relationship] = field(default_factory=dict)
    columns: frozenset[str] = frozenset()
    """The fields whose columns the file has."""
    is_whole: bool = True
    """Whether every line could be used; a pair without a line may else have had one."""

    @property
    def silence(self) -> frozenset[str]:
        """Return the fields that are provided, as empty, of a pair without a line."""
        return self.columns if self.is_whole else frozenset()


def read_side_file(path: Path, people: People, problems: ProblemLog) -> SideFile:
    """Read the side file; its lines are about students and anybody of users.csv."""
    columns = _Columns.of(people, problems)
    side = SideFile()
    used = 0
    for row in rows(path, _REQUIRED, problems):
        if not side.columns:
            side.columns = frozenset(name for column, name in _FIELDS.items() if row.has(column))
            _report_strange(row, problems)
        line = columns.read(row)
        if line is None:
            continue
        used += 1
        pair = (line.student_id, line.guardian_id)
        if pair in side.lines:
            text = "appears twice; the stricter of each flag stands"
            problems.add(row.file, row.line, None, text, is_bad=False)
            line = _stricter(side.lines[pair], line)
        side.lines[pair] = line
    columns.check()
    side.is_whole = used == problems.rows_of(path.name)
    if "portal_enabled" not in side.columns and side.lines:
        text = "missing in the header; portal flags stay as they are stored"
        problems.add(path.name, 1, "portal", text, is_bad=False)
    problems.require_some(path.name, side.lines)
    return side


def _report_strange(row: Row, problems: ProblemLog) -> None:
    """Name the columns that are called nearly as one that is read: a wrong name protects nobody.

    Others, such as who is called in an emergency, are the school's own.
    """
    known = {column.lower(): column for column in (*_REQUIRED, *_FIELDS)}
    for column in sorted(row.cells.keys() - known.keys()):
        within = [name for name in known if name in column]
        for meant in (within or get_close_matches(column, known, cutoff=_ALIKE))[:1]:
            text = f"is not read; {known[meant]} is meant, perhaps"
            problems.add(row.file, 1, column, text, is_bad=False)


def _stricter(one: Relationship, other: Relationship) -> Relationship:
    """Return both lines of a pair in one; a flag that one of them cannot tell is only tightened."""
    barred = one.barred or other.barred
    portals = [_told(each, "portal_enabled") for each in (one, other)]
    consents = [_told(each, "adult_consent") for each in (one, other)]
    known = one.provided & other.provided
    known |= {"barred"} if barred else set()
    known |= {"portal_enabled"} if False in portals else set()
    known |= {"adult_consent"} if False in consents else set()
    return replace(
        one,
        portal_enabled=portals == [True, True],
        barred=barred,
        adult_consent=consents == [True, True],
        provided=known,
    )


def _told(line: Relationship, name: str) -> bool | None:
    return bool(getattr(line, name)) if name in line.provided else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """The columns of the side file."""

    problems: ProblemLog
    student: Column[str]
    guardian: Column[str]
    portal: Column[bool]
    barred: Column[bool]
    adult_consent: Column[bool]
    start_date: Column[dt.date]
    end_date: Column[dt.date]

    @classmethod
    def of(cls, people: People, problems: ProblemLog) -> _Columns:
        users = people.users.values()
        students = {user.user_id for user in users if STUDENT_ROLE in user.roles}
        anybody = people.users.keys() | people.staff.keys()
        return cls(
            problems=problems,
            student=reference_column(
                problems, "studentSourcedId", students, "users.csv", "student"
            ),
            guardian=reference_column(problems, "guardianSourcedId", anybody, "users.csv"),
            portal=flag_column(problems, "portal"),
            barred=flag_column(problems, "barred"),
            adult_consent=flag_column(problems, "adultConsent"),
            start_date=date_column(problems, "startDate"),
            end_date=end_column(problems, "endDate"),
        )

    def read(self, row: Row) -> Relationship | None:
        before = self.problems.count
        student_id, guardian_id = self.student.read(row), self.guardian.read(row)
        if student_id is None or guardian_id is None:
            return None
        if student_id == guardian_id:
            self.problems.add(row.file, row.line, "guardianSourcedId", "is the student; left out")
            return None
        portal, portal_known = self._portal(row)
        barred, barred_known = self.barred.given(row)
        consent, consent_known = self.adult_consent.given(row)
        start, start_known = self.start_date.given(row)
        end, end_known = self.end_date.given(row)
        if start and end and end < start:
            self.problems.add(row.file, row.line, "endDate", "lies before startDate")
            start_known = end_known = False
        is_sound = self.problems.count == before
        known = {
            "relation": row.has("relation") and "\ufffd" not in row["relation"],
            "portal_enabled": portal_known and (is_sound or not portal),
            "barred": barred_known,
            "adult_consent": consent_known and (is_sound or not consent),
            "start_date": start_known,
            "end_date": end_known,
        }
        return Relationship(
            student_id=student_id,
            guardian_id=guardian_id,
            relation=row["relation"],
            portal_enabled=is_sound and bool(portal),
            barred=bool(barred),
            adult_consent=is_sound and bool(consent),
            start_date=start if start_known else None,
            end_date=end if end_known and end != OPEN else None,
            provided=frozenset(name for name, is_known in known.items() if is_known),
        )

    def check(self) -> None:
        for reference in (self.student, self.guardian):
            reference.check()
        for flag in (self.portal, self.barred, self.adult_consent):
            flag.check()
        for date in (self.start_date, self.end_date):
            date.check()

    def _portal(self, row: Row) -> tuple[bool | None, bool]:
        """Return the portal flag and whether it is told; an empty cell does not tell it."""
        if not row.has(self.portal.name):
            return None, False
        flag = self.portal.read(row)
        return flag, flag is not None
