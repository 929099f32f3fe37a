"""Small districts in which every gate may be open or closed, for property tests.

They are made by a random generator that hypothesis seeds: drawing each of a hundred facts by
itself would take a hundred times as long, and the seed repeats a failure just as well.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import TypeVar

from hypothesis import strategies as st

from schoolbell_server.domain.change import Change, ChangeKey, Payload
from schoolbell_server.domain.condition import Condition
from schoolbell_server.domain.decision import Decision, Moment
from schoolbell_server.domain.eligibility import decide
from schoolbell_server.domain.fact import Baseline, FactUpdate, Previous, Value
from schoolbell_server.domain.fold import fold
from schoolbell_server.domain.kinds import (
    AdultStudentRule,
    AppType,
    AssignmentAction,
    AttendanceExcuse,
    AttendanceStatus,
    Kind,
    LimitTrigger,
    Platform,
    ResponsiveScheduleAction,
    RetirementReason,
)
from schoolbell_server.domain.kinds.assignment import (
    AssignmentChange,
    AssignmentCondition,
    ScoreValue,
)
from schoolbell_server.domain.kinds.attendance import (
    AttendanceChange,
    AttendanceCondition,
    AttendanceValue,
)
from schoolbell_server.domain.kinds.grade import GradeChange, GradeCondition, GradeValue
from schoolbell_server.domain.kinds.lunch_balance import (
    BalanceValue,
    LunchBalanceChange,
    LunchBalanceCondition,
)
from schoolbell_server.domain.kinds.responsive_schedule import ResponsiveScheduleChange
from schoolbell_server.domain.world import (
    CalendarFacts,
    DeviceFacts,
    DisplayOptions,
    DistrictFacts,
    EnrollmentFacts,
    KindSettings,
    MinimumVersion,
    RelationshipFacts,
    StudentFacts,
    Subscription,
    Term,
    UserFacts,
    World,
)

DAY = dt.date(2026, 9, 15)
NOON = dt.datetime(2026, 9, 15, 17, tzinfo=dt.UTC)
CALENDARS = ("maple", "oak")
_ZONES = ("America/Chicago", "Pacific/Auckland")
_PERCENTS = [Decimal(text) for text in ("0", "60", "69.9999", "70", "80")]
_LIMITS = [None, None, *_PERCENTS]
_TIMES = [NOON - dt.timedelta(days=days) for days in (0, 1, 5)]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The arguments of a decision."""

    change: Change
    moment: Moment
    update: FactUpdate
    world: World
    baselines: Mapping[str, Baseline]

    def decide(self) -> Decision:
        """Decide it."""
        return decide(self.change, self.moment, self.update, self.world, self.baselines)


def judgements() -> st.SearchStrategy[Judgement]:
    """Return a change of any kind in a district of one student and two guardians."""
    return st.randoms(use_true_random=True).map(judgement)


def judgement(random: Random) -> Judgement:
    """Return one judgement."""
    kind = random.choice(list(Kind))
    change = _change(random, kind)
    student = _student(random, kind)
    hours = 0 if _mostly(random) else random.choice((1, 6, 100))
    return Judgement(
        change=change,
        moment=Moment(lateness=dt.timedelta(hours=hours), school_day=DAY),
        update=_update(random, change),
        world=World(
            district=_district(random, kind),
            calendars={name: _calendar(random, name) for name in CALENDARS},
            students={"ann": student},
        ),
        baselines=_baselines(random, kind, student),
    )


def _mostly(random: Random) -> bool:
    """Gates are mostly open, so that the later ones are reached."""
    return random.random() < 0.97


def _some(random: Random, members: Iterable[T]) -> frozenset[T]:
    """Return none of them, or each with an even chance."""
    if random.random() < 0.5:
        return frozenset()
    return frozenset(member for member in members if random.random() < 0.5)


def _day(random: Random) -> dt.date:
    return DAY + dt.timedelta(days=random.randint(-20, 20))


def _change(random: Random, kind: Kind) -> Change:
    nowhere = kind is Kind.LUNCH_BALANCE and random.random() < 0.5
    return Change(
        key=ChangeKey(source="sis", change_id="c1"),
        student_id="ann",
        calendar_id=None if nowhere else "maple",
        occur_time=NOON,
        payload=_payload(random, kind),
        historical=not _mostly(random),
    )


def _payload(random: Random, kind: Kind) -> Payload:
    choice = random.choice
    term_id = choice((None, None, "fall"))
    match kind:
        case Kind.ASSIGNMENT:
            return AssignmentChange(
                action=choice(list(AssignmentAction)),
                assignment_id="essay",
                section_id="english",
                term_id=term_id,
                score_percent=choice([None, *_PERCENTS]),
                previous_score_percent=choice(_LIMITS),
            )
        case Kind.GRADE:
            return GradeChange(
                section_id="english",
                grading_task="grade",
                grading_period="T1",
                term_id=term_id,
                percent=choice([None, *_PERCENTS]),
                previous_percent=choice(_LIMITS),
            )
        case Kind.ATTENDANCE:
            return AttendanceChange(
                date=choice((DAY, DAY, DAY, DAY - dt.timedelta(days=1))),
                status=choice(list(AttendanceStatus)),
                excuse=choice(list(AttendanceExcuse)),
            )
        case Kind.LUNCH_BALANCE:
            return LunchBalanceChange(
                account_id="meals",
                balance=choice(_PERCENTS),
                previous_balance=choice(_LIMITS),
            )
        case Kind.RESPONSIVE_SCHEDULE:
            action = choice(list(ResponsiveScheduleAction))
            return ResponsiveScheduleChange(action=action, date=DAY, period="flex")


def _value(random: Random, kind: Kind) -> Value | None:
    percent = random.choice(_PERCENTS)
    match kind:
        case Kind.ASSIGNMENT:
            return random.choice((None, ScoreValue(), ScoreValue(percent)))
        case Kind.GRADE:
            return random.choice((None, GradeValue(), GradeValue(percent)))
        case Kind.ATTENDANCE:
            return AttendanceValue(random.choice((None, *AttendanceStatus)))
        case Kind.LUNCH_BALANCE:
            return random.choice((None, BalanceValue(percent)))
        case Kind.RESPONSIVE_SCHEDULE:
            return None


def _condition(random: Random, kind: Kind) -> Condition | None:
    below, limit_trigger = random.choice(_LIMITS), random.choice(list(LimitTrigger))
    match kind:
        case Kind.ASSIGNMENT:
            return AssignmentCondition(
                actions=_some(random, AssignmentAction),
                below_percent=below,
                limit_trigger=limit_trigger,
            )
        case Kind.GRADE:
            return GradeCondition(below_percent=below, limit_trigger=limit_trigger)
        case Kind.ATTENDANCE:
            return AttendanceCondition(
                statuses=_some(random, AttendanceStatus), excuses=_some(random, AttendanceExcuse)
            )
        case Kind.LUNCH_BALANCE:
            return LunchBalanceCondition(below_balance=below, limit_trigger=limit_trigger)
        case Kind.RESPONSIVE_SCHEDULE:
            return None


def subscription(random: Random, kind: Kind) -> Subscription:
    """Return a wish for a kind, mostly enabled, with any condition."""
    return Subscription(
        enabled=_mostly(random),
        condition=random.choice((None, _condition(random, kind))),
        limit_time=random.choice((None, *_TIMES)),
    )


def _device(random: Random, user_id: str, number: int, kind: Kind) -> DeviceFacts:
    stored = {("ann", kind): subscription(random, kind)} if random.random() < 0.5 else {}
    own_app = "pupil" if user_id == "ann" else "family"
    return DeviceFacts(
        device_id=f"{user_id}-{number}",
        user_id=user_id,
        app_id=own_app if _mostly(random) else random.choice(("pupil", "family", "other")),
        platform=random.choice(list(Platform)),
        os_version=random.choice(("", "9", "17.4", "18", "18", "18")),
        app_version=random.choice(("5", "5.10", "5.10")),
        stay_logged_in=_mostly(random),
        muted=not _mostly(random),
        retirement=None if _mostly(random) else RetirementReason.STALE,
        subscriptions=stored,
    )


def _user(random: Random, user_id: str, kind: Kind) -> UserFacts:
    return UserFacts(
        user_id=user_id,
        enabled=_mostly(random),
        active=_mostly(random),
        birth_date=random.choice((None, dt.date(2008, 9, 15), dt.date(2008, 9, 16))),
        devices=tuple(
            _device(random, user_id, number, kind) for number in range(random.randint(0, 2))
        ),
        subscriptions={
            (app, "ann", kind): subscription(random, kind)
            for app in AppType
            if random.random() < 0.5
        },
    )


def _relationship(random: Random, guardian: UserFacts) -> RelationshipFacts:
    return RelationshipFacts(
        guardian=guardian,
        portal_enabled=_mostly(random),
        adult_consent=random.random() < 0.5,
        start_date=None if _mostly(random) else _day(random),
        end_date=None if _mostly(random) else _day(random),
        active=_mostly(random),
    )


def _student(random: Random, kind: Kind) -> StudentFacts:
    """Return Ann, whose guardians may have no relationship to her, one, or two that differ."""
    guardians = [_user(random, user_id, kind) for user_id in ("mom", "dad")]
    relationships = [
        _relationship(random, one) for one in guardians for _ in range(random.choice((0, 1, 1, 2)))
    ]
    enrollments = [_enrollment(random, number) for number in range(random.randint(1, 3))]
    return StudentFacts(
        student=_user(random, "ann", kind),
        enrollments=tuple(enrollments),
        relationships=tuple(relationships),
        bars={one.user_id: ("sis",) for one in guardians if not _mostly(random)},
    )


def _enrollment(random: Random, number: int) -> EnrollmentFacts:
    long_ago = DAY - dt.timedelta(days=30)
    return EnrollmentFacts(
        enrollment_id=f"e{number}",
        calendar_id=random.choice(("maple", "maple", "oak")),
        start_date=random.choice((long_ago, long_ago, _day(random))),
        end_date=random.choice((None, None, _day(random))),
        portal_visible=_mostly(random),
    )


def _calendar(random: Random, calendar_id: str) -> CalendarFacts:
    everything = frozenset(Kind)
    return CalendarFacts(
        calendar_id=calendar_id,
        school_id=calendar_id,
        school_year=2027 if _mostly(random) else 2026,
        start_date=DAY,
        end_date=DAY,
        time_zone=random.choice(_ZONES),
        terms=tuple(_term(random, name) for name in ("fall", "q1") if _mostly(random)),
        display_options=DisplayOptions(
            enabled=_mostly(random),
            disabled_term_ids=frozenset() if _mostly(random) else frozenset({"fall"}),
            app_kinds={app: everything if _mostly(random) else frozenset() for app in AppType},
        ),
    )


def _term(random: Random, term_id: str) -> Term:
    start = DAY - dt.timedelta(days=random.randint(0, 20))
    return Term(term_id=term_id, name="", start_date=start, end_date=_day(random))


def _district(random: Random, kind: Kind) -> DistrictFacts:
    return DistrictFacts(
        district_id="maple-valley",
        time_zone="America/Chicago",
        enabled=_mostly(random),
        licensed_kinds=frozenset(Kind) if _mostly(random) else frozenset(),
        active_school_year=2027 if _mostly(random) else None,
        adult_students=random.choice(list(AdultStudentRule)),
        apps={"pupil": AppType.STUDENT, "family": AppType.PARENT},
        kinds=random.choice(({}, {kind: KindSettings(time_to_live=dt.timedelta(hours=1))})),
        minimum_versions={
            ("family", platform): MinimumVersion(
                os_version=random.choice(("", "17.4")), app_version=random.choice(("", "5.9"))
            )
            for platform in _some(random, Platform)
        },
        default_subscriptions={(app, kind): subscription(random, kind) for app in AppType},
    )


def _update(random: Random, change: Change) -> FactUpdate:
    """Return what the change does to an unknown fact, or to a known one."""
    update = fold(change, NOON, {}).update
    known = _value(random, change.kind)
    if known is not None:
        previous = Previous(value=known, set_time=random.choice(_TIMES))
        update = replace(update, previous=previous, changed=known != update.current)
    return replace(update, older=not _mostly(random), same_setter=random.random() < 0.5)


def _baselines(random: Random, kind: Kind, student: StudentFacts) -> dict[str, Baseline]:
    users = [student.student, *(relationship.guardian for relationship in student.relationships)]
    return {
        device.device_id: Baseline(
            previous=Previous(value=_value(random, kind), set_time=random.choice(_TIMES)),
            attempted=random.random() < 0.5,
        )
        for user in users
        for device in user.devices
        if random.random() < 0.5
    }
