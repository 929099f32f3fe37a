"""Why a well-formed change is refused when it meets the store: each says what to do about it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.acceptance.submission import Refused, Submitted
from schoolbell_server.domain import timing
from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.world import EnrollmentFacts, World
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.errors import FieldViolation, InvalidFields, SchoolbellError

_MOST_CALENDARS = 5
"""How many of a student's calendars a refusal names."""


def of_world(
    district_id: str,
    submitted: Submitted,
    world: World | None,
    now: dt.datetime,
    *,
    replay: bool,
    prefix: str = "",
) -> Refused | None:
    """Return why the facts of a district do not let a change be accepted, or None.

    `prefix` is where the change lies in the request, before the paths of its fields.
    """
    change = submitted.change
    if world is None:
        return no_district(district_id)
    for student_id in change.student_ids:
        if student_id not in world.students:
            return no_student(student_id)
    if change.calendar_id is not None and change.calendar_id not in world.calendars:
        enrolled = world.students[change.student_id].enrollments if submitted.every_source else None
        return no_calendar(change.calendar_id, change.student_id, enrolled)
    if foreign := submitted.foreign_currencies(world.district.currency_code):
        paths = [prefix + path for path in foreign]
        return foreign_currency(paths, world.district.currency_code)
    if not replay and timing.is_ahead(change, now):
        return ahead(timing.MOST_AHEAD, f"{prefix}occur_time")
    return None


def no_district(district_id: str) -> Refused:
    """Refuse a change for a district that is not there."""
    return _refused(
        ErrorReason.ERROR_REASON_DISTRICT_NOT_FOUND,
        f"there is no district {district_id}",
        district_id=district_id,
    )


def no_student(student_id: str) -> Refused:
    """Refuse a change of a student whom the roster lacks."""
    return _refused(
        ErrorReason.ERROR_REASON_STUDENT_NOT_FOUND,
        f"the roster has no student {student_id}: send it again after the roster",
        student_id=student_id,
    )


def no_calendar(
    calendar_id: str, student_id: str, enrolled: Iterable[EnrollmentFacts] | None
) -> Refused:
    """Refuse a change in a calendar that the roster lacks, naming those that its student has.

    They are None where the publisher may not see records of every source.
    """
    text = f"the roster has no calendar {calendar_id}"
    if enrolled is not None:
        calendars = sorted({one.calendar_id for one in enrolled})[:_MOST_CALENDARS]
        has = f"has the calendars {', '.join(calendars)}" if calendars else "is in no calendar"
        text += f", and {student_id} {has}: name one of them, or"
    else:
        text += ":"
    return _refused(
        ErrorReason.ERROR_REASON_CALENDAR_NOT_FOUND,
        f"{text} send it again after the roster",
        calendar_id=calendar_id,
    )


def reused(key: ChangeKey) -> Refused:
    """Refuse other content under a key that is taken."""
    return _refused(
        ErrorReason.ERROR_REASON_CHANGE_KEY_REUSED,
        f"{key.source} {key.change_id} was accepted with other content: a change sent again "
        "says the same, also in occur_time, and another change has another key",
        source=key.source,
        change_id=key.change_id,
    )


def foreign_currency(paths: Iterable[str], currency_code: str) -> Refused:
    """Refuse amounts that are not in the district's currency."""
    wanted = f"must be {currency_code}, the district's currency"
    return Refused(
        InvalidFields([FieldViolation(path, wanted, reasons.WRONG_CURRENCY) for path in paths])
    )


def ahead(most: dt.timedelta, path: str) -> Refused:
    """Refuse a change that claims to happen in the future."""
    minutes = int(most.total_seconds() // 60)
    text = f"must be at most {minutes} minutes ahead of the server's clock"
    return Refused(InvalidFields([FieldViolation(path, text, reasons.OUT_OF_RANGE)]))


def _refused(reason: ErrorReason.ValueType, message: str, **metadata: str) -> Refused:
    return Refused(SchoolbellError(reason, message, metadata=metadata))
