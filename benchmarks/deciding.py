"""How long deciding takes: microseconds per (change, device), on one core.

Each student has two guardians; the four devices of a
change are the student's and the guardians', one of them with two.
"""

from __future__ import annotations

import datetime as dt
import gc
import time
from collections.abc import Callable, Sequence
from decimal import Decimal

from benchmarks.results import Figure, Result
from benchmarks.service import Bench
from schoolbell_server.domain.change import Change, ChangeKey, Payload
from schoolbell_server.domain.condition import Condition
from schoolbell_server.domain.decision import Moment
from schoolbell_server.domain.eligibility import decide, recheck
from schoolbell_server.domain.fact import FactUpdate, Previous, Value
from schoolbell_server.domain.kinds import (
    AppType,
    AttendanceExcuse,
    AttendanceStatus,
    Kind,
    Platform,
)
from schoolbell_server.domain.kinds.attendance import AttendanceChange, AttendanceValue
from schoolbell_server.domain.kinds.grade import GradeChange, GradeCondition, GradeValue
from schoolbell_server.domain.world import (
    CalendarFacts,
    DeviceFacts,
    DistrictFacts,
    EnrollmentFacts,
    MinimumVersion,
    RelationshipFacts,
    StudentFacts,
    Subscription,
    Term,
    UserFacts,
    World,
)

_STUDENTS = 2_000
_DEVICES = 4
_ROUNDS = 7
_NOON = dt.datetime(2026, 9, 15, 17, tzinfo=dt.UTC)
_MOMENT = Moment(lateness=dt.timedelta(seconds=1), school_day=_NOON.date())
_ZONE = "America/Chicago"


async def measure(_bench: Bench) -> Result:
    """Decide in this process."""
    told = _world(GradeCondition(below_percent=Decimal(70)))
    unwanted = _world(GradeCondition(below_percent=Decimal(60)))
    grades, low = _grades(), GradeValue(Decimal(65))
    absences = _absences()
    absent = AttendanceValue(AttendanceStatus.ABSENT, AttendanceExcuse.UNEXCUSED)
    figures = [
        _figure("grade below the limit, all told", lambda: _decide_all(told, grades, low)),
        _figure("grade above the limit, none told", lambda: _decide_all(unwanted, grades, low)),
        _figure("absence, all told", lambda: _decide_all(told, absences, absent)),
        _figure("check again before an attempt", lambda: _recheck_all(told, grades)),
    ]
    return Result(figures=figures)


def _grades() -> list[Change]:
    grade = GradeChange(section_id="s", grading_task="t", grading_period="p", percent=Decimal(65))
    return [_change(number, grade) for number in range(_STUDENTS)]


def _absences() -> list[Change]:
    absence = AttendanceChange(
        date=_NOON.date(), status=AttendanceStatus.ABSENT, excuse=AttendanceExcuse.UNEXCUSED
    )
    return [_change(number, absence) for number in range(_STUDENTS)]


def _figure(name: str, work: Callable[[], None]) -> Figure:
    """Return the best round: the others measure what else the machine does."""
    work()
    gc.collect()
    best = min(_timed(work) for _ in range(_ROUNDS)) / (_STUDENTS * _DEVICES)
    return Figure(what=f"Deciding: {name}", value=best * 1e6, unit="µs a (change, device)")


def _timed(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _decide_all(world: World, changes: Sequence[Change], current: Value) -> None:
    before = Decimal(75)
    previous = Previous(value=GradeValue(before)) if isinstance(current, GradeValue) else Previous()
    update = FactUpdate(key="fact", previous=previous, current=current)
    for change in changes:
        decide(change, _MOMENT, update, world, {})


def _recheck_all(world: World, changes: Sequence[Change]) -> None:
    for number, change in enumerate(changes):
        for user_id, device_id in _owners(number):
            recheck(change, user_id, device_id, _MOMENT.school_day, world)


def _owners(number: int) -> tuple[tuple[str, str], ...]:
    return (
        (f"s{number}", f"s{number}-0"),
        (f"g{number}", f"g{number}-0"),
        (f"g{number}", f"g{number}-1"),
        (f"h{number}", f"h{number}-0"),
    )


def _change(number: int, payload: Payload) -> Change:
    return Change(
        key=ChangeKey(source="sis", change_id=str(number)),
        student_id=f"s{number}",
        calendar_id="maple",
        occur_time=_NOON,
        payload=payload,
    )


def _world(condition: Condition) -> World:
    day, last = dt.date(2026, 8, 17), dt.date(2027, 6, 4)
    terms = tuple(
        Term(term_id=name, name=name, start_date=day, end_date=last) for name in ("Q1", "S1", "Y")
    )
    return World(
        district=DistrictFacts(
            district_id="maple-valley",
            time_zone=_ZONE,
            enabled=True,
            licensed_kinds=frozenset(Kind),
            active_school_year=2027,
            apps={"pupil": AppType.STUDENT, "family": AppType.PARENT},
            minimum_versions={
                (app, Platform.IOS): MinimumVersion(os_version="16", app_version="5.0")
                for app in ("pupil", "family")
            },
        ),
        calendars={
            "maple": CalendarFacts(
                calendar_id="maple",
                school_id="maple",
                school_year=2027,
                start_date=day,
                end_date=last,
                time_zone=_ZONE,
                terms=terms,
            )
        },
        students={f"s{number}": _student(number, condition, day) for number in range(_STUDENTS)},
    )


def _student(number: int, condition: Condition, day: dt.date) -> StudentFacts:
    own = f"s{number}"
    enrollment = EnrollmentFacts(enrollment_id=own, calendar_id="maple", start_date=day)
    guardians = (
        _user(f"g{number}", "family", own, 2, condition),
        _user(f"h{number}", "family", own, 1, condition),
    )
    return StudentFacts(
        student=_user(own, "pupil", own, 1, condition),
        enrollments=(enrollment,),
        relationships=tuple(
            RelationshipFacts(guardian=guardian, relation="parent", portal_enabled=True)
            for guardian in guardians
        ),
    )


def _user(
    user_id: str, app_id: str, student_id: str, devices: int, condition: Condition
) -> UserFacts:
    app = AppType.STUDENT if user_id == student_id else AppType.PARENT
    wanted = {
        (app, student_id, Kind.GRADE): Subscription(enabled=True, condition=condition),
        (app, student_id, Kind.ATTENDANCE): Subscription(enabled=True),
    }
    return UserFacts(
        user_id=user_id,
        devices=tuple(
            DeviceFacts(
                device_id=f"{user_id}-{number}",
                user_id=user_id,
                app_id=app_id,
                platform=Platform.IOS,
                os_version="18.2",
                app_version="5.3.1",
                stay_logged_in=True,
            )
            for number in range(devices)
        ),
        subscriptions=wanted,
    )
