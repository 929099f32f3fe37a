"""What an app needs of a change to open the right page: ids, and no comment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from schoolbell.v1 import common_pb2
from schoolbell.v1 import device_service_pb2 as messages
from schoolbell_server.contract.fields import write_date, write_time
from schoolbell_server.domain.change import Change


def write_notified(change: Change, student_ids: Sequence[str]) -> messages.NotifiedChange:
    """Return a change for a person who may see these of its students, at least one.

    The calendar is that of the change's own student: a sibling may be at another school.
    """
    student_id, *shared = student_ids
    message = messages.NotifiedChange(
        change_key=common_pb2.ChangeKey(source=change.key.source, change_id=change.key.change_id),
        kind=common_pb2.Kind.ValueType(change.kind),
        student_id=student_id,
        shared_student_ids=shared,
        calendar_id=(change.calendar_id or "") if student_id == change.student_id else "",
        occur_time=write_time(change.occur_time),
    )
    for name in change.payload.opens:
        value = getattr(change.payload, name)
        if isinstance(value, dt.date):
            getattr(message, name).CopyFrom(write_date(value))
        else:
            setattr(message, name, value)
    return message
