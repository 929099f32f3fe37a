"""A score, as an SIS publishes it to a service of `schoolbell_server.testing`."""

from __future__ import annotations

import datetime as dt

from schoolbell.build import Event
from schoolbell.v1 import change_pb2
from schoolbell.v1.change_service_pb2 import PublishChangeRequest
from schoolbell_server import testing


def scored(now: dt.datetime, district_id: str = testing.DISTRICT) -> PublishChangeRequest:
    event = Event(
        source=testing.SOURCE,
        change_id=f"score-{now.isoformat()}",
        student_id=testing.STUDENT,
        calendar_id=testing.CALENDAR,
        occur_time=now,
    )
    change = event.assignment(
        change_pb2.AssignmentChange(
            action=change_pb2.ASSIGNMENT_ACTION_SCORED,
            assignment_id="a1",
            section_id="s1",
            title="Fractions",
            score_percent=71,
        )
    )
    return PublishChangeRequest(district_id=district_id, change=change)
