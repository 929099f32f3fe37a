"""Who is enrolled where: the hull of a student's class enrollments in each calendar."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator

from schoolbell.oneroster.columns import (
    choice_column,
    date_column,
    reference_column,
    sound_id,
)
from schoolbell.oneroster.extract import Extract
from schoolbell.oneroster.model import STUDENT_ROLE, Enrollment, User
from schoolbell.oneroster.problems import ProblemLog
from schoolbell.oneroster.table import Row
from schoolbell.oneroster.years import SchoolClass

_COLUMNS = ("classSourcedId", "userSourcedId", "role", "beginDate", "endDate")
_ROLES = frozenset({"administrator", "aide", "proctor", "student", "teacher"})


def read_enrollments(
    extract: Extract,
    users: dict[str, User],
    classes: dict[str, SchoolClass],
    end_shift: dt.timedelta,
    problems: ProblemLog,
) -> Iterator[Enrollment]:
    """Yield the hulls, sorted by student and calendar; `end_shift` makes end dates inclusive."""
    reader = _HullReader(users, classes, end_shift, problems)
    for row in extract.rows("enrollments", _COLUMNS):
        reader.add(row)
    return reader.finish()


class _HullReader:
    """Widens a hull by every class enrollment that is read."""

    def __init__(
        self,
        users: dict[str, User],
        classes: dict[str, SchoolClass],
        end_shift: dt.timedelta,
        problems: ProblemLog,
    ) -> None:
        students = {each for each, user in users.items() if STUDENT_ROLE in user.roles}
        self._role = choice_column(problems, "role", _ROLES)
        self._student = reference_column(
            problems, "userSourcedId", students, "users.csv as a student"
        )
        self._class = reference_column(problems, "classSourcedId", classes, "classes.csv")
        self._begin = date_column(problems, "beginDate")
        self._end = date_column(problems, "endDate")
        self._classes = classes
        self._end_shift = end_shift
        self._problems = problems
        self._hulls: dict[tuple[str, str], tuple[dt.date, dt.date]] = {}

    def add(self, row: Row) -> None:
        if self._role.read(row) != STUDENT_ROLE:
            return
        student_id, class_id = self._student.read(row), self._class.read(row)
        if student_id is None or class_id is None:
            return
        attended = self._classes[class_id]
        stay = self._stay(row, attended)
        if stay is not None:
            key = (student_id, attended.calendar_id)
            start, end = self._hulls.get(key, stay)
            self._hulls[key] = (min(start, stay[0]), max(end, stay[1]))

    def finish(self) -> Iterator[Enrollment]:
        for column in (self._role, self._student, self._class, self._begin, self._end):
            column.check()
        for (student_id, calendar_id), (start, end) in sorted(self._hulls.items()):
            yield Enrollment(
                enrollment_id=_enrollment_id(student_id, calendar_id),
                student_id=student_id,
                calendar_id=calendar_id,
                start_date=start,
                end_date=end,
            )

    def _stay(self, row: Row, attended: SchoolClass) -> tuple[dt.date, dt.date] | None:
        start, end = self._begin.optional(row), self._end.optional(row)
        if (row["beginDate"] and start is None) or (row["endDate"] and end is None):
            return None
        start = start or attended.start_date
        end = end + self._end_shift if end else max(start, attended.end_date)
        if end < start:
            self._problems.add(row.file, row.line, "endDate", "lies before beginDate; left out")
            return None
        return start, end


def _enrollment_id(student_id: str, calendar_id: str) -> str:
    name = f"{student_id}@{calendar_id}"
    return sound_id(name) or hashlib.sha256(name.encode()).hexdigest()
