"""The changes that are published, students in a scattered order.

Grades and absences of strangers: each of a fact of its own, and no student comes twice before all
have come. A school day: the same students again and again, of all kinds, many about a fact that
was there before.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator

from benchmarks.district import calendar_id, student_id
from schoolbell.v1 import change_pb2

SOURCE = "bench"
_STRIDE = 7_919  # a prime, so that all students come before one comes again
_SAME = 499  # students of a school day; a prime, so that each has changes of all kinds


def grades(students: int, name: str) -> Iterator[change_pb2.Change]:
    """Yield grades without end; `name` tells their keys and facts from those of other runs."""
    number = 0
    while True:
        change = _change(number, students, name)
        change.grade.section_id, change.grade.grading_period = "algebra", "S1"
        change.grade.grading_task = f"{name} {number}"
        change.grade.percent = 60 + number % 40
        yield change
        number += 1


def absences(students: int, name: str, today: dt.date) -> Iterator[change_pb2.Change]:
    """Yield unexcused absences of today without end."""
    number = 0
    while True:
        change = _change(number, students, name)
        mark = change.attendance
        mark.date.year, mark.date.month, mark.date.day = today.year, today.month, today.day
        mark.period, mark.section_id = f"{name} {number}", "algebra"
        mark.status = change_pb2.ATTENDANCE_STATUS_ABSENT
        mark.excuse = change_pb2.ATTENDANCE_EXCUSE_UNEXCUSED
        yield change
        number += 1


def school_day(name: str, today: dt.date) -> Iterator[change_pb2.Change]:
    """Yield the changes of a day without end.

    Of 20 changes 9 are assignments, 4 grades, 4 absences, 2 lunch balances, and one a schedule.
    """
    number = 0
    while True:
        change = _change(number, _SAME, name)
        _of_the_day[number % len(_of_the_day)](change, number, today)
        yield change
        number += 1


def _assignment(change: change_pb2.Change, number: int, today: dt.date) -> None:
    scored = change.assignment
    scored.action = change_pb2.ASSIGNMENT_ACTION_SCORED
    scored.assignment_id, scored.title = change.key.change_id, "Quiz"
    scored.section_id, scored.score_percent = f"section {number % 6}", 60 + number % 40


def _grade(change: change_pb2.Change, number: int, today: dt.date) -> None:
    """Change the running grade of a section, which was another one before."""
    change.grade.section_id, change.grade.grading_period = f"section {number % 6}", "S1"
    change.grade.grading_task, change.grade.percent = "Semester", 60 + number % 40


def _absence(change: change_pb2.Change, number: int, today: dt.date) -> None:
    mark = change.attendance
    mark.date.year, mark.date.month, mark.date.day = today.year, today.month, today.day
    mark.period, mark.section_id = change.key.change_id, "algebra"
    mark.status = change_pb2.ATTENDANCE_STATUS_ABSENT
    mark.excuse = change_pb2.ATTENDANCE_EXCUSE_UNEXCUSED


def _lunch(change: change_pb2.Change, number: int, today: dt.date) -> None:
    """Let a balance fall, and fill it up the next time."""
    change.lunch_balance.account_id = change.student_id
    change.lunch_balance.balance.currency_code = "USD"
    change.lunch_balance.balance.units = (-1, 20)[number // _SAME % 2]


def _schedule(change: change_pb2.Change, number: int, today: dt.date) -> None:
    moved = change.responsive_schedule
    moved.action = change_pb2.RESPONSIVE_SCHEDULE_ACTION_ADDED
    moved.date.year, moved.date.month, moved.date.day = today.year, today.month, today.day
    moved.period, moved.offering_name = change.key.change_id, "Robotics"


_of_the_day = (
    *((_assignment, _assignment, _grade, _absence) * 4),
    *(_assignment, _lunch, _lunch, _schedule),
)


def _change(number: int, students: int, name: str) -> change_pb2.Change:
    student = number * _STRIDE % students
    change = change_pb2.Change(student_id=student_id(student), calendar_id=calendar_id(student))
    change.key.source, change.key.change_id = SOURCE, f"{name}-{number}"
    change.occur_time.FromNanoseconds(time.time_ns())
    return change
