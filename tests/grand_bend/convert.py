"""Turn Grand Bend's recorded changes into our feed: ProtoJSON of `Change`, one a line.

Keys are made from what a line says, so that a recorded row is the same change every time.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from schoolbell.v1 import change_pb2
from schoolbell.v1.change_pb2 import Change

SOURCE = "grand-bend"
_FIRST_PERIOD = dt.time(14, tzinfo=dt.UTC)
_PERIOD = dt.timedelta(minutes=55)
_POSTING = dt.time(21, tzinfo=dt.UTC)
_MARKS = {
    "Excused Absence": (
        change_pb2.ATTENDANCE_STATUS_ABSENT,
        change_pb2.ATTENDANCE_EXCUSE_EXCUSED,
    ),
    "Unexcused Absence": (
        change_pb2.ATTENDANCE_STATUS_ABSENT,
        change_pb2.ATTENDANCE_EXCUSE_UNEXCUSED,
    ),
}


class GradeForm(Enum):
    """What a six-week grade is taken to be."""

    PERIOD = "a grade of its own for each grading period"
    RUNNING = "the running grade of the section"
    RUNNING_OF_COURSE = "the running grade of the course"


def attendance(folder: Path) -> Iterator[Change]:
    """Yield the attendance of a year, in date and period order."""
    for row in _rows(folder / "changes" / "attendance.jsonl.gz"):
        status, excuse = _MARKS[row["category"]]
        date = dt.date.fromisoformat(row["date"])
        period = int(row["period"])
        change = _change(row, "attendance", row["date"], row["period"])
        start = dt.datetime.combine(date, _FIRST_PERIOD) + (period - 1) * _PERIOD
        change.occur_time.FromDatetime(start)
        mark = change.attendance
        mark.date.year, mark.date.month, mark.date.day = date.year, date.month, date.day
        mark.period, mark.section_id = row["period"], row["section"]
        mark.status, mark.excuse = status, excuse
        yield change


def grades(folder: Path, form: GradeForm = GradeForm.PERIOD) -> Iterator[Change]:
    """Yield the grades of a year in posting order."""
    for row in _rows(folder / "changes" / "grades.jsonl.gz"):
        change = _change(row, form.name.lower(), row["gradingPeriod"])
        posted = dt.date.fromisoformat(row["postedOn"])
        change.occur_time.FromDatetime(dt.datetime.combine(posted, _POSTING))
        grade = change.grade
        of_course = form is GradeForm.RUNNING_OF_COURSE
        grade.section_id = row["course"] if of_course else row["section"]
        grade.course_name = row["course"]
        grade.grading_task = "six weeks" if form is GradeForm.PERIOD else "running"
        grade.grading_period = "year"
        if form is GradeForm.PERIOD:
            grade.grading_period = f"{row['term']} {row['gradingPeriod']}"
        grade.percent = row["percent"]
        yield change


def write_feed(changes: Iterator[Change], path: Path) -> int:
    """Write changes as a gzip feed and return how many."""
    count = 0
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for change in changes:
            file.write(json_format.MessageToJson(change, indent=None) + "\n")
            count += 1
    return count


def _change(row: dict[str, Any], *names: str) -> Change:
    change = Change(student_id=row["student"], calendar_id=f"{row['school']}:2027")
    change.key.source = SOURCE
    change.key.change_id = "/".join((*names, row["section"], row["student"]))
    return change


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
