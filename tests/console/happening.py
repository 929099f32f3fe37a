"""What the tests let happen in the sample district."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from google.type.date_pb2 import Date

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import change_pb2
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.change_service_pb2 import BatchPublishChangesRequest
from schoolbell_server.demo.stage import DISTRICT
from tests.console.world import ZONE, World

SOURCE = "maple-sis"
STUDENT, CALENDAR = "s1001", "maple-high"


def grade(name: str, percent: float, student_id: str = STUDENT, course: str = "Algebra") -> Change:
    """Return a grade that was posted just now; each name is a task of its own."""
    found = Change(student_id=student_id, calendar_id=f"{CALENDAR}:2027")
    found.key.source, found.key.change_id = SOURCE, name
    found.occur_time.FromDatetime(dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1))
    found.grade.section_id, found.grade.course_name = "alg-1", course
    found.grade.grading_task, found.grade.grading_period = name, "Q2"
    found.grade.percent = percent
    return found


def publish(world: World, *changes: Change) -> None:
    """Publish changes."""
    request = BatchPublishChangesRequest(district_id=DISTRICT, changes=changes)
    answer = world.ask(access.ROLE_PUBLISHER, "changes", "BatchPublishChanges", request)
    assert all(not ack.HasField("error") for ack in answer.acks), answer


def publish_grades(world: World, name: str, count: int) -> None:
    """Publish grades of as many tasks."""
    publish(world, *(grade(f"{name}-{number}", 60 + number) for number in range(count)))


def happen(world: World, name: str, count: int) -> None:
    """Publish so many changes of several kinds and students."""
    publish(world, *(_one_of_many(f"{name}-{number}", number) for number in range(count)))


def _one_of_many(name: str, number: int) -> Change:
    found = grade(name, 55 + number % 45, f"s{1001 + number // 4 % 2}")
    if number % 4 == 1:
        found.assignment.action = change_pb2.ASSIGNMENT_ACTION_SCORED
        found.assignment.assignment_id = found.assignment.title = f"Essay {name}"
        found.assignment.section_id, found.assignment.score_percent = "eng-1", 70
    elif number % 4 == 2:
        found.lunch_balance.account_id = f"account-{name}"
        found.lunch_balance.balance.units = -number
    elif number % 4 == 3:
        today = dt.datetime.now(ZoneInfo(ZONE)).date()
        found.attendance.date.CopyFrom(Date(year=today.year, month=today.month, day=today.day))
        found.attendance.status = change_pb2.ATTENDANCE_STATUS_ABSENT
        found.attendance.period = name
    return found
