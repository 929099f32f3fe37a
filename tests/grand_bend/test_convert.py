"""The converted year is the recorded one: counts, facts and keys, taken from the raw data."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path

import pytest

from schoolbell import feed, oneroster
from schoolbell.v1 import change_pb2
from schoolbell.v1.change_pb2 import Change
from tests.grand_bend.convert import GradeForm, attendance, grades, write_feed

pytestmark = pytest.mark.grand_bend


def attendance_fact(change: Change) -> tuple[str, str, int, int, str]:
    mark = change.attendance
    return change.student_id, change.calendar_id, mark.date.month, mark.date.day, mark.period


def grade_fact(change: Change) -> tuple[str, str, str, str]:
    grade = change.grade
    return change.student_id, grade.section_id, grade.grading_task, grade.grading_period


def test_attendance_is_7_595_changes_of_6_796_facts(grand_bend: Path) -> None:
    changes = list(attendance(grand_bend))
    assert len(changes) == 7595
    facts = Counter(attendance_fact(change) for change in changes)
    assert Counter(facts.values()) == {1: 6083, 2: 627, 3: 86}
    assert len(facts) == 6796


def test_the_sections_of_one_absence_agree(grand_bend: Path) -> None:
    marks: dict[tuple[str, str, int, int, str], set[tuple[int, int]]] = {}
    for change in attendance(grand_bend):
        mark = (change.attendance.status, change.attendance.excuse)
        marks.setdefault(attendance_fact(change), set()).add(mark)
    assert {len(found) for found in marks.values()} == {1}


def test_every_mark_is_an_absence_excused_or_not(grand_bend: Path) -> None:
    changes = [change.attendance for change in attendance(grand_bend)]
    assert {mark.status for mark in changes} == {change_pb2.ATTENDANCE_STATUS_ABSENT}
    assert Counter(mark.excuse for mark in changes) == {
        change_pb2.ATTENDANCE_EXCUSE_EXCUSED: 4312,
        change_pb2.ATTENDANCE_EXCUSE_UNEXCUSED: 3283,
    }


def test_a_mark_is_made_in_its_period_on_its_day(grand_bend: Path) -> None:
    times = []
    for change in attendance(grand_bend):
        date = change.attendance.date
        occurred = change.occur_time.ToDatetime()
        assert occurred.date() == dt.date(date.year, date.month, date.day)
        times.append(occurred)
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("form", "facts"),
    [
        (GradeForm.PERIOD, 23520),
        (GradeForm.RUNNING, 7840),
        (GradeForm.RUNNING_OF_COURSE, 3920),
    ],
)
def test_grades_are_23_520_changes_of_as_many_facts_as_their_form_says(
    grand_bend: Path, form: GradeForm, facts: int
) -> None:
    changes = list(grades(grand_bend, form))
    assert len(changes) == 23520
    assert len({grade_fact(change) for change in changes}) == facts
    times = [change.occur_time.ToDatetime() for change in changes]
    assert times == sorted(times)
    assert set(Counter(times).values()) == {3920}


def test_every_change_has_a_key_of_its_own_that_lasts(grand_bend: Path) -> None:
    keys = [
        change.key.change_id for changes in (attendance, grades) for change in changes(grand_bend)
    ]
    keys += [change.key.change_id for change in grades(grand_bend, GradeForm.RUNNING)]
    assert len(set(keys)) == len(keys) == 7595 + 2 * 23520
    assert keys[:7595] == [change.key.change_id for change in attendance(grand_bend)]


def test_every_change_is_of_an_enrolled_student(grand_bend: Path) -> None:
    roster = oneroster.read(grand_bend / "oneroster-1.1")
    stays = {(each.student_id, each.calendar_id): each for each in roster.enrollments}
    for change in (*attendance(grand_bend), *grades(grand_bend)):
        stay = stays[change.student_id, change.calendar_id]
        assert stay.start_date <= change.occur_time.ToDatetime().date() <= stay.end_date


def test_a_written_feed_is_read_back_as_it_was(grand_bend: Path, tmp_path: Path) -> None:
    path = tmp_path / "attendance.jsonl.gz"
    assert write_feed(attendance(grand_bend), path) == 7595
    found = [line.change for line in feed.read(path, "other") if isinstance(line, feed.Line)]
    assert found == list(attendance(grand_bend))
