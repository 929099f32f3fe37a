"""What the gates of each scope judge: a change, its calendars, a recipient, a device.

Cases are not frozen: they live for one judgement, and a frozen one takes three times as long to
make, which is a sixth of the whole time of deciding.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from schoolbell_server.domain.change import Change
from schoolbell_server.domain.decision import Moment
from schoolbell_server.domain.fact import Baseline, FactUpdate, lifts
from schoolbell_server.domain.kinds import AppType, Kind, SubscriptionLevel
from schoolbell_server.domain.timing import judged_date
from schoolbell_server.domain.world import (
    CalendarFacts,
    DeviceFacts,
    DistrictFacts,
    EnrollmentFacts,
    RelationshipFacts,
    StudentFacts,
    Subscription,
    UserFacts,
    World,
)

_NO_BASELINES: Mapping[str, Baseline] = {}


@dataclass(slots=True)
class ChangeCase:
    """A change with the facts that its own gates look at."""

    change: Change
    kind: Kind
    moment: Moment
    update: FactUpdate
    district: DistrictFacts
    zone: str
    """Of the school if the change names its calendar, else of the district."""
    student: StudentFacts
    """An unknown student is an inactive one that nobody is related to."""
    untold: Baseline
    """The baseline of a device that has no delivery of the fact."""
    lifts: bool
    """It lifts an attendance mark, and so lives for the day on which it is made."""


@dataclass(slots=True)
class CalendarCase:
    """A calendar in which a change may count, with the student's enrollments in it."""

    case: ChangeCase
    calendar_id: str
    """'' where the change names no calendar and the student has none."""
    calendar: CalendarFacts | None
    enrollments: Sequence[EnrollmentFacts]
    judged_date: dt.date


@dataclass(slots=True)
class RecipientCase:
    """A person who might be told, with what ties them to the student."""

    case: ChangeCase
    app: AppType
    """The student's own app for the student, the parents' for everybody else."""
    user: UserFacts
    relationships: tuple[RelationshipFacts, ...] = ()

    @property
    def bars(self) -> tuple[str, ...]:
        """Return who bars the person from the student's data: sources, '' for the district."""
        return self.case.student.bars.get(self.user.user_id, ())


@dataclass(slots=True)
class DeviceCase:
    """One device of a person who might be told."""

    recipient: RecipientCase
    device: DeviceFacts
    subscription: Subscription | None
    """The nearest that there is: the device's, the person's, the district's default."""
    level: SubscriptionLevel
    """Where it is stored."""
    baseline: Baseline


def change_case(
    change: Change,
    moment: Moment,
    update: FactUpdate,
    world: World,
    baselines: Mapping[str, Baseline] = _NO_BASELINES,
) -> ChangeCase:
    """Gather what the gates of a change look at."""
    student = world.students.get(change.student_id)
    return ChangeCase(
        change,
        change.kind,
        moment,
        update.of(change.student_id),
        world.district,
        world.zone_of(change.calendar_id),
        student or StudentFacts(student=_nobody(change.student_id)),
        Baseline(previous=update.of(change.student_id).previous),
        lifts(update, baselines),
    )


def places(case: ChangeCase, world: World) -> list[CalendarCase]:
    """Return the change's calendar, or without one every calendar of the student, by id."""
    named = case.change.calendar_id
    if named:
        return [_place(case, named, world)]
    known = sorted({enrollment.calendar_id for enrollment in case.student.enrollments})
    return [_place(case, calendar_id, world) for calendar_id in known or ("",)]


def recipients(case: ChangeCase) -> Iterator[RecipientCase]:
    """Yield the student and every related person, each once: the student, then by user_id."""
    student = case.student.student
    yield RecipientCase(case, AppType.STUDENT, student)
    relationships: dict[str, list[RelationshipFacts]] = {}
    for relationship in case.student.relationships:
        if relationship.guardian.user_id != student.user_id:
            relationships.setdefault(relationship.guardian.user_id, []).append(relationship)
    for user_id in sorted(relationships):
        own = tuple(relationships[user_id])
        yield RecipientCase(case, AppType.PARENT, own[0].guardian, own)


def named_recipient(case: ChangeCase, user_id: str, world: World) -> RecipientCase:
    """Return one person by id, also one who is unrelated or unknown."""
    for recipient in recipients(case):
        if recipient.user.user_id == user_id:
            return recipient
    return RecipientCase(case, AppType.PARENT, world.users.get(user_id) or _nobody(user_id))


def device_case(recipient: RecipientCase, device: DeviceFacts, baseline: Baseline) -> DeviceCase:
    """Gather what the gates of a device look at."""
    case = recipient.case
    app, student_id, kind = recipient.app, case.change.student_id, case.kind
    subscription, level = nearest(
        device.subscriptions.get((student_id, kind)),
        recipient.user.subscriptions.get((app, student_id, kind)),
        case.district.default_subscriptions.get((app, kind)),
    )
    return DeviceCase(recipient, device, subscription, level, baseline)


def nearest(
    device: Subscription | None, person: Subscription | None, district: Subscription | None
) -> tuple[Subscription | None, SubscriptionLevel]:
    """Return the choice that holds, of those stored at each level, and its level."""
    if device is not None:
        return device, SubscriptionLevel.DEVICE
    if person is not None:
        return person, SubscriptionLevel.PERSON
    return district, SubscriptionLevel.DISTRICT


def _place(case: ChangeCase, calendar_id: str, world: World) -> CalendarCase:
    calendar = world.calendars.get(calendar_id)
    zone = world.zone_of(calendar_id)
    enrollments = [e for e in case.student.enrollments if e.calendar_id == calendar_id]
    return CalendarCase(case, calendar_id, calendar, enrollments, judged_date(case.change, zone))


def _nobody(user_id: str) -> UserFacts:
    return UserFacts(user_id=user_id, enabled=False, active=False, known=False)
