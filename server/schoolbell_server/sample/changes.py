"""What changes on the sample's school day, as ProtoJSON documents in the order of the day."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from schoolbell_server.sample.people import People
from schoolbell_server.sample.roster import SUBJECTS, section

Document = dict[str, Any]
_PERIODS = ("1", "2", "3", "4", "5", "6")
_MARKS = (
    ("ABSENT", "UNEXCUSED"),
    ("ABSENT", "EXCUSED"),
    ("TARDY", "UNKNOWN"),
    ("EARLY_LEAVE", "EXCUSED"),
)


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that changes at a part of the day: 0 is its beginning, 1 its end."""

    part: float
    document: Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Pupil:
    """A student in one of the schools."""

    student_id: str
    school: str


def day(everybody: People, today: dt.date) -> list[Moment]:
    """Return everything that changes, the same every time, in the order of the day."""
    chance = random.Random(11)
    pupils = [
        Pupil(student_id=one.user_id, school=school)
        for school, found in everybody.students.items()
        for one in found
    ]
    moments = [
        *_attendance(pupils, today, chance),
        *_assignments(pupils, today, chance),
        *_grades(pupils, chance),
        *_lunches(pupils, chance),
        *_schedules(pupils, today, chance),
    ]
    return sorted(moments, key=lambda moment: moment.part)


def _attendance(pupils: list[Pupil], today: dt.date, chance: random.Random) -> Iterator[Moment]:
    for number, period in enumerate(_PERIODS):
        for pupil in pupils:
            if chance.random() < 0.08:
                status, excuse = chance.choice(_MARKS)
                subject = SUBJECTS[number]
                yield _mark(pupil, today, number, period, subject, status, excuse)
    # Two sections mark the same absence; a false one is corrected by the section that set it.
    twice, corrected = pupils[2], pupils[9]
    yield _mark(twice, today, 1, "2", "Algebra", "ABSENT", "UNEXCUSED")
    yield _mark(twice, today, 1.1, "2", "Biology", "ABSENT", "UNEXCUSED")
    yield _mark(corrected, today, 0.3, "1", "English", "ABSENT", "UNKNOWN")
    yield _mark(corrected, today, 2, "1", "English", "PRESENT", "UNKNOWN")
    yield _mark(pupils[12], today, 0.3, "1", "English", "TARDY", "UNKNOWN")
    yield _mark(pupils[12], today, 1.7, "1", "English", "CLEARED", "UNKNOWN")


def _mark(
    pupil: Pupil,
    today: dt.date,
    place: float,
    period: str,
    subject: str,
    status: str,
    excuse: str,
) -> Moment:
    return _moment(
        pupil,
        (place + 0.2) / 6.5,
        "attendance",
        date=_date(today),
        period=period,
        status=f"ATTENDANCE_STATUS_{status}",
        excuse=f"ATTENDANCE_EXCUSE_{excuse}",
        sectionId=section(pupil.school, subject),
        courseName=subject,
    )


def _assignments(pupils: list[Pupil], today: dt.date, chance: random.Random) -> Iterator[Moment]:
    due = _date(today + dt.timedelta(days=7))
    later = _date(today + dt.timedelta(days=9))
    for pupil in pupils:
        essay = {"assignmentId": "essay-1", "title": "Essay 1", **_of(pupil, "English")}
        lab = {"assignmentId": "lab-3", "title": "Lab report 3", **_of(pupil, "Biology")}
        part = chance.random()
        if part < 0.5:
            yield _assignment(pupil, part, "ASSIGNED", essay | {"dueDate": due})
        if chance.random() < 0.7:
            percent = float(chance.randint(45, 100))
            scored = lab | {"scorePercent": percent, "points": percent / 5, "pointsPossible": 20.0}
            yield _assignment(pupil, 0.3 + part / 2, "SCORED", scored)
        elif chance.random() < 0.6:
            yield _assignment(pupil, 0.3 + part / 2, "MISSING", lab)
        if part < 0.2:
            yield _assignment(pupil, part + 0.3, "DUE_DATE_MOVED", essay | {"dueDate": later})
        if part < 0.05:
            yield _assignment(pupil, part + 0.6, "WITHDRAWN", essay)


def _assignment(pupil: Pupil, part: float, action: str, fields: Document) -> Moment:
    return _moment(pupil, part, "assignment", action=f"ASSIGNMENT_ACTION_{action}", **fields)


def _grades(pupils: list[Pupil], chance: random.Random) -> Iterator[Moment]:
    for pupil in pupils:
        if chance.random() < 0.5:
            before, after = chance.randint(60, 99), chance.randint(55, 99)
            yield _grade(pupil, 0.6 + chance.random() / 4, before, after)
    # The same grade saved again, and one that falls below 70 while nobody looks twice.
    yield _grade(pupils[20], 0.7, 71, 68)
    yield _grade(pupils[20], 0.8, 68, 68)


def _grade(pupil: Pupil, part: float, before: int, after: int) -> Moment:
    fields = {"task": "Semester grade", "gradingPeriod": "S1", **_of(pupil, "Algebra")}
    return _moment(
        pupil, part, "grade", previousPercent=float(before), percent=float(after), **fields
    )


def _lunches(pupils: list[Pupil], chance: random.Random) -> Iterator[Moment]:
    for pupil in pupils:
        if chance.random() < 0.4:
            cents = chance.randint(-500, 3000)
            yield _moment(
                pupil,
                0.5 + chance.random() / 10,
                "lunchBalance",
                accountId=f"lunch-{pupil.student_id}",
                balance=_money(cents),
                previousBalance=_money(cents + 350),
            )


def _schedules(pupils: list[Pupil], today: dt.date, chance: random.Random) -> Iterator[Moment]:
    offerings = ("Robotics", "Choir", "Math help", "Chess", "Debate")
    for pupil in pupils[::4]:
        offering = chance.choice(offerings)
        slot = {"date": _date(today), "period": "FLEX", "offeringName": offering}
        part = chance.random() / 3
        yield _schedule(pupil, part, "ADDED", slot | {"location": "Room 12"})
        if chance.random() < 0.4:
            moved = slot | {"period": "7", "previousPeriod": "FLEX", "location": "Library"}
            yield _schedule(pupil, part + 0.2, "MOVED", moved)
        elif chance.random() < 0.4:
            yield _schedule(pupil, part + 0.2, "REMOVED", slot)


def _schedule(pupil: Pupil, part: float, action: str, fields: Document) -> Moment:
    return _moment(pupil, part, "responsiveSchedule", action=f"SCHEDULE_ACTION_{action}", **fields)


def _of(pupil: Pupil, subject: str) -> Document:
    return {"sectionId": section(pupil.school, subject), "courseName": subject}


def _moment(pupil: Pupil, part: float, kind: str, **fields: Any) -> Moment:
    return Moment(
        min(part, 1.0), {"studentId": pupil.student_id, "school": pupil.school, kind: fields}
    )


def _date(date: dt.date) -> Document:
    return {"year": date.year, "month": date.month, "day": date.day}


def _money(cents: int) -> Document:
    sign = -1 if cents < 0 else 1
    units, rest = divmod(abs(cents), 100)
    return {"currencyCode": "USD", "units": str(sign * units), "nanos": sign * rest * 10_000_000}
