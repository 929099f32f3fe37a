"""The changes that are published: each of a fact of its own, students in a scattered order."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator

from benchmarks.district import calendar_id, student_id
from schoolbell.v1 import change_pb2

SOURCE = "bench"
_STRIDE = 7_919  # a prime, so that all students come before one comes again


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


def _change(number: int, students: int, name: str) -> change_pb2.Change:
    student = number * _STRIDE % students
    change = change_pb2.Change(student_id=student_id(student), calendar_id=calendar_id(student))
    change.key.source, change.key.change_id = SOURCE, f"{name}-{number}"
    change.occur_time.FromNanoseconds(time.time_ns())
    return change
