"""Who is enrolled where: the hull of a student's class enrollments in each calendar."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator

from schoolbell.oneroster.columns import (
    OPEN,
    choice_column,
    date_column,
    end_column,
    reference_column,
    sound_id,
)
from schoolbell.oneroster.extract import Extract
from schoolbell.oneroster.model import STUDENT_ROLE, Enrollment
from schoolbell.oneroster.people import People
from schoolbell.oneroster.problems import ProblemLog
from schoolbell.oneroster.table import Row
from schoolbell.oneroster.years import SchoolClass

_COLUMNS = ("classSourcedId", "userSourcedId", "role", "beginDate", "endDate")
_ROLES = frozenset({"administrator", "aide", "proctor", "student", "teacher"})


def read_enrollments(
    extract: Extract,
    people: People,
    classes: dict[str, tuple[SchoolClass, ...]],
    end_shift: dt.timedelta,
    problems: ProblemLog,
) -> Iterator[Enrollment]:
    """Yield the hulls, sorted by student and calendar; `end_shift` makes end dates inclusive."""
    reader = _HullReader(people, classes, end_shift, problems)
    for row in extract.rows("enrollments", _COLUMNS):
        reader.add(row)
    return reader.finish()


class _HullReader:
    """Widens a hull by every class enrollment that is read."""

    def __init__(
        self,
        people: People,
        classes: dict[str, tuple[SchoolClass, ...]],
        end_shift: dt.timedelta,
        problems: ProblemLog,
    ) -> None:
        students = {each for each, user in people.users.items() if STUDENT_ROLE in user.roles}
        self._role = choice_column(problems, "role", _ROLES)
        self._student = reference_column(
            problems, "userSourcedId", students, "users.csv", "student"
        )
        self._class = reference_column(problems, "classSourcedId", classes, "classes.csv")
        self._begin = date_column(problems, "beginDate")
        self._end = end_column(problems, "endDate")
        self._classes = classes
        self._idle_ids = people.idle_ids
        self._end_shift = end_shift
        self._problems = problems
        self._hulls: dict[tuple[str, str], tuple[dt.date, dt.date]] = {}

    def add(self, row: Row) -> None:
        if self._role.read(row) != STUDENT_ROLE or row["userSourcedId"] in self._idle_ids:
            return
        student_id, class_id = self._student.read(row), self._class.read(row)
        if student_id is None or class_id is None:
            return
        for calendar_id, stay_start, stay_end in self._stays(row, self._classes[class_id]):
            key = (student_id, calendar_id)
            start, end = self._hulls.get(key, (stay_start, stay_end))
            self._hulls[key] = (min(start, stay_start), max(end, stay_end))

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

    def _stays(
        self, row: Row, taught: tuple[SchoolClass, ...]
    ) -> Iterator[tuple[str, dt.date, dt.date]]:
        """Yield calendar, first and last day; a class of several years divides the stay."""
        (begin, begin_known), (end, end_known) = self._begin.given(row), self._end.given(row)
        if not (begin_known and end_known):
            return
        if end is not None:
            end = None if end == OPEN else end + self._end_shift
        found = False
        for attended in taught:
            first = begin or attended.start_date
            last = end or max(first, attended.end_date)
            if len(taught) > 1:
                first, last = max(first, attended.start_date), min(last, attended.end_date)
            if first <= last:
                found = True
                yield attended.calendar_id, first, last
        if not found:
            text = "lies before beginDate, or outside of all terms of the class; left out"
            self._problems.add(row.file, row.line, "endDate", text)


def _enrollment_id(student_id: str, calendar_id: str) -> str:
    name = f"{student_id}@{calendar_id}"
    return sound_id(name) or hashlib.sha256(name.encode()).hexdigest()
