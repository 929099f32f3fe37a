"""Who belongs to which student, and who of them may see the student.

`agentSourcedIds` is a bare relation, filled on the student, on the guardian or on both: the
union counts, and of it only pairs of a student and a guardian, parent or relative. Portal
flag and bar come from the side file alone; without a line there a guardian has no portal.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from schoolbell.oneroster.columns import (
    Column,
    date_column,
    flag_column,
    reference_column,
)
from schoolbell.oneroster.model import GUARDIAN_ROLES, STUDENT_ROLE, Relationship, User
from schoolbell.oneroster.people import People
from schoolbell.oneroster.problems import ProblemLog
from schoolbell.oneroster.table import Row, rows

Pair = tuple[str, str]
"""A student's and a guardian's id."""

_REQUIRED = ("studentSourcedId", "guardianSourcedId", "portal")


def read_relationships(
    people: People, side_file: Path | None, problems: ProblemLog
) -> dict[Pair, Relationship]:
    """Return the relationships of the extract, with what the side file knows of them."""
    pairs = _agent_pairs(people, problems)
    known = {} if side_file is None else _side_file(side_file, people, problems)
    _report_unknown(side_file, pairs - known.keys(), problems)
    bare = {pair: Relationship(student_id=pair[0], guardian_id=pair[1]) for pair in pairs}
    return bare | known


def _agent_pairs(people: People, problems: ProblemLog) -> set[Pair]:
    pairs: set[Pair] = set()
    for user_id, agents in people.agents.items():
        for agent_id in agents.ids:
            other = people.users.get(agent_id)
            if other is not None:
                pairs.update(_pairs_of(people.users[user_id], other))
            elif agent_id not in people.staff_ids:
                text = f"{agent_id!r} is not in users.csv"
                problems.add(agents.row.file, agents.row.line, "agentSourcedIds", text)
    return pairs


def _pairs_of(user: User, other: User) -> Iterable[Pair]:
    for student, guardian in ((user, other), (other, user)):
        apart = student.user_id != guardian.user_id
        if apart and STUDENT_ROLE in student.roles and guardian.roles & GUARDIAN_ROLES:
            yield student.user_id, guardian.user_id


def _report_unknown(side_file: Path | None, pairs: set[Pair], problems: ProblemLog) -> None:
    if side_file is None:
        text = "none given: no guardian is portal-enabled, so only students can be told"
        problems.add("relationships.csv", None, None, text)
    elif pairs:
        text = f"has no line for {len(pairs)} pairs of users.csv; they are not portal-enabled"
        problems.add(side_file.name, None, None, text)


def _side_file(path: Path, people: People, problems: ProblemLog) -> dict[Pair, Relationship]:
    columns = _SideColumns.of(people, problems)
    found: dict[Pair, Relationship] = {}
    for row in rows(path, _REQUIRED, problems):
        line = columns.read(row)
        if line is None:
            continue
        pair = (line.student_id, line.guardian_id)
        if pair in found:
            problems.add(
                row.file, row.line, None, "appears twice; the stricter of each flag stands"
            )
            line = _stricter(found[pair], line)
        found[pair] = line
    columns.check()
    return found


def _stricter(one: Relationship, other: Relationship) -> Relationship:
    return replace(
        one,
        portal_enabled=one.portal_enabled and other.portal_enabled,
        barred=one.barred or other.barred,
        adult_consent=one.adult_consent and other.adult_consent,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _SideColumns:
    """The columns of the side file; a line with a cell that cannot be read enables no portal."""

    problems: ProblemLog
    student: Column[str]
    guardian: Column[str]
    portal: Column[bool]
    barred: Column[bool]
    adult_consent: Column[bool]
    start_date: Column[dt.date]
    end_date: Column[dt.date]

    @classmethod
    def of(cls, people: People, problems: ProblemLog) -> _SideColumns:
        users = people.users.values()
        students = {user.user_id for user in users if STUDENT_ROLE in user.roles}
        guardians = {user.user_id for user in users if user.roles & GUARDIAN_ROLES}
        return cls(
            problems=problems,
            student=reference_column(
                problems, "studentSourcedId", students, "users.csv as a student"
            ),
            guardian=reference_column(
                problems, "guardianSourcedId", guardians, "users.csv as a guardian"
            ),
            portal=flag_column(problems, "portal"),
            barred=flag_column(problems, "barred"),
            adult_consent=flag_column(problems, "adultConsent"),
            start_date=date_column(problems, "startDate"),
            end_date=date_column(problems, "endDate"),
        )

    def read(self, row: Row) -> Relationship | None:
        before = self.problems.count
        student_id, guardian_id = self.student.read(row), self.guardian.read(row)
        if student_id is None or guardian_id is None or student_id == guardian_id:
            return None
        line = Relationship(
            student_id=student_id,
            guardian_id=guardian_id,
            relation=row["relation"],
            portal_enabled=bool(self.portal.read(row)),
            barred=bool(self.barred.optional(row)),
            adult_consent=bool(self.adult_consent.optional(row)),
            start_date=self.start_date.optional(row),
            end_date=self.end_date.optional(row),
        )
        if line.start_date and line.end_date and line.end_date < line.start_date:
            self.problems.add(row.file, row.line, "endDate", "lies before startDate")
            line = replace(line, start_date=None, end_date=None)
        return line if self.problems.count == before else replace(line, portal_enabled=False)

    def check(self) -> None:
        self.student.check()
        self.guardian.check()
        for flag in (self.portal, self.barred, self.adult_consent):
            flag.check()
        for date in (self.start_date, self.end_date):
            date.check()
