"""Gate 7: the student is enrolled in the calendar on the judged date, visibly."""

from __future__ import annotations

import datetime as dt

from schoolbell_server.domain.cases import CalendarCase
from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.gate import EntityKind, GateCheck, SeenFact, seen, text_of
from schoolbell_server.domain.kinds import Gate, RefusalReason
from schoolbell_server.domain.world import EnrollmentFacts

_NO_GRACE = dt.timedelta(0)


def _grace(place: CalendarCase) -> dt.timedelta:
    late = place.case.change.payload.posted_late
    return place.case.district.enrollment_grace if late else _NO_GRACE


def _started(place: CalendarCase, enrollment: EnrollmentFacts) -> bool:
    return enrollment.start_date <= place.judged_date


def _covers(place: CalendarCase, enrollment: EnrollmentFacts) -> bool:
    if not _started(place, enrollment):
        return False
    end = enrollment.end_date
    return end is None or place.judged_date - end <= _grace(place)


def _refuse_enrollment(place: CalendarCase) -> Refusal | None:
    if not place.case.student.student.active:
        return Refusal(Gate.ENROLLED, RefusalReason.STUDENT_INACTIVE)
    covering = [e for e in place.enrollments if _covers(place, e)]
    if any(enrollment.portal_visible for enrollment in covering):
        return None
    return Refusal(Gate.ENROLLED, *_cause(place, covering))


def _cause(place: CalendarCase, covering: list[EnrollmentFacts]) -> tuple[RefusalReason, str]:
    if covering:
        return RefusalReason.ENROLLMENT_NOT_VISIBLE, ""
    ends = [e.end_date for e in place.enrollments if _started(place, e) and e.end_date]
    if ends:
        return RefusalReason.ENROLLMENT_ENDED, text_of(max(ends))
    return RefusalReason.NOT_ENROLLED, text_of(place.judged_date)


def _see_enrollment(place: CalendarCase) -> tuple[SeenFact, ...]:
    student = place.case.student.student
    rows = [
        *seen(EntityKind.USER, student.user_id, student_active=student.active),
        *seen(EntityKind.CHANGE, place.case.change.key.change_id, judged_date=place.judged_date),
    ]
    for enrollment in sorted(place.enrollments, key=lambda e: e.enrollment_id):
        rows += seen(
            EntityKind.ENROLLMENT,
            enrollment.enrollment_id,
            start_date=enrollment.start_date,
            end_date=enrollment.end_date,
            portal_visible=enrollment.portal_visible,
        )
    return tuple(rows)


ENROLLED = GateCheck(Gate.ENROLLED, _refuse_enrollment, _see_enrollment)
