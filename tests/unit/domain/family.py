"""A family that shares one lunch account: two students, and who may see which of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

from schoolbell_server.domain.change import Change
from schoolbell_server.domain.kinds import AppType, Kind, Platform
from schoolbell_server.domain.kinds.lunch_balance import LunchBalanceChange, LunchBalanceCondition
from schoolbell_server.domain.world import (
    CalendarFacts,
    DeviceFacts,
    EnrollmentFacts,
    RelationshipFacts,
    StudentFacts,
    Subscription,
    UserFacts,
    World,
)
from tests.unit.domain import town
from tests.unit.domain.happenings import balance, change

ANN, BOB = "ann", "bob"
MOM, DAD, STEP = "mom", "dad", "step"
"""The mother of both, the father of Ann alone, and the one of Bob alone; and their devices."""

Wishes = Mapping[tuple[str, str], Subscription]
"""Subscriptions to lunch balances by (guardian, student); who is not named wants every change."""
EVERY = Subscription(enabled=True)
NONE = Subscription(enabled=False)


def below(amount: str) -> Subscription:
    """Return the wish to be told as a balance falls below an amount."""
    limit = LunchBalanceCondition(below_balance=balance(amount).balance)
    return Subscription(enabled=True, condition=limit)


def _flags(
    facts: Mapping[str, Mapping[str, object]], guardian: str, student: str
) -> Mapping[str, object]:
    """Return the fields of a relationship that are its own; a bar is not."""
    given = facts.get(f"{guardian}_{student}", {})
    return {name: value for name, value in given.items() if name != "barred"}


def family(wishes: Wishes | None = None, **facts: Mapping[str, object]) -> World:
    """Return the family; Bob is at another school.

    `facts` are more fields of a guardian's relationship, such as `{"mom_bob": {"barred": True}}`.
    """
    chosen = wishes or {}
    people = {
        name: UserFacts(user_id=name, devices=(_phone(name, chosen),)) for name in (MOM, DAD, STEP)
    }
    relationships = {ANN: (MOM, DAD), BOB: (MOM, STEP)}
    base = town.world({})
    oak = replace(base.calendars["maple:2027"], calendar_id="oak:2027", school_id="oak")
    calendars: dict[str, CalendarFacts] = {**base.calendars, "oak:2027": oak}
    return replace(
        base,
        calendars=calendars,
        district=replace(base.district, apps={"family": AppType.PARENT, "me": AppType.STUDENT}),
        students={
            student: StudentFacts(
                student=UserFacts(user_id=student, devices=(_own_phone(student),)),
                enrollments=(
                    EnrollmentFacts(
                        enrollment_id=f"stay-{student}",
                        calendar_id="maple:2027" if student == ANN else "oak:2027",
                        start_date=dt.date(2026, 8, 17),
                    ),
                ),
                relationships=tuple(
                    RelationshipFacts(
                        guardian=people[name],
                        **{"portal_enabled": True, **_flags(facts, name, student)},  # type: ignore[arg-type]
                    )
                    for name in names
                ),
                bars={
                    name: ("sis",)
                    for name in names
                    if facts.get(f"{name}_{student}", {}).get("barred")
                },
            )
            for student, names in relationships.items()
        },
    )


def _phone(name: str, wishes: Wishes) -> DeviceFacts:
    return DeviceFacts(
        device_id=name,
        user_id=name,
        app_id="family",
        platform=Platform.IOS,
        stay_logged_in=True,
        subscriptions={
            (student, Kind.LUNCH_BALANCE): wishes.get((name, student), EVERY)
            for student in (ANN, BOB)
        },
    )


def _own_phone(student: str) -> DeviceFacts:
    return DeviceFacts(
        device_id=student,
        user_id=student,
        app_id="me",
        platform=Platform.ANDROID,
        stay_logged_in=True,
        subscriptions={(student, Kind.LUNCH_BALANCE): EVERY},
    )


def shared(amount: str, minute: float = 0, *, first: str = ANN, other: str = BOB) -> Change:
    """Return a balance of the account that both share."""
    payload = replace(balance(amount), shared_student_ids=(other,))
    return change(payload, minute, student_id=first, calendar_id=None)


def single(amount: str, student_id: str, minute: float = 0, before: str | None = None) -> Change:
    """Return a balance of the same account, published for one student."""
    payload: LunchBalanceChange = balance(amount, before=before)
    return change(payload, minute, student_id=student_id, calendar_id=None)
