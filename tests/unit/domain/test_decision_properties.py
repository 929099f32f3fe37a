"""What holds of every decision, whatever the district."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schoolbell_server.domain.condition import Condition
from schoolbell_server.domain.decision import Moment
from schoolbell_server.domain.explain import explain
from schoolbell_server.domain.fact import Previous
from schoolbell_server.domain.gate import GATE_ORDER
from schoolbell_server.domain.kinds import (
    AdultStudentRule,
    AppType,
    AssignmentAction,
    AttendanceStatus,
    Gate,
    Kind,
)
from schoolbell_server.domain.kinds.assignment import AssignmentCondition, ScoreValue
from schoolbell_server.domain.kinds.attendance import AttendanceCondition
from schoolbell_server.domain.kinds.grade import GradeValue
from schoolbell_server.domain.kinds.lunch_balance import BalanceValue
from schoolbell_server.domain.world import (
    DeviceFacts,
    DisplayOptions,
    DistrictFacts,
    EnrollmentFacts,
    KindSettings,
    RelationshipFacts,
    StudentFacts,
    Subscription,
    UserFacts,
    World,
)
from tests.unit.domain.districts import CALENDARS, DAY, Judgement, judgements
from tests.unit.domain.verdicts import first_failure, refusal_of

_TOLD = len(GATE_ORDER)
Item = TypeVar("Item")


def _devices(judgement: Judgement) -> Iterator[tuple[AppType, DeviceFacts]]:
    student = judgement.world.students["ann"]
    for device in student.student.devices:
        yield AppType.STUDENT, device
    guardians = {
        relationship.guardian.user_id: relationship.guardian
        for relationship in student.relationships
    }
    for guardian in guardians.values():
        for device in guardian.devices:
            yield AppType.PARENT, device


def _ranks(judgement: Judgement) -> dict[str, int]:
    """Return how far each device gets in the order of the gates."""
    decision = judgement.decide()
    ranks = {}
    for app, device in _devices(judgement):
        refusal = refusal_of(decision, app, device.user_id, device.device_id)
        ranks[device.device_id] = _TOLD if refusal is None else GATE_ORDER.index(refusal.gate)
    return ranks


def _district(judgement: Judgement, **facts: object) -> Judgement:
    district: DistrictFacts = replace(judgement.world.district, **facts)  # type: ignore[arg-type]
    return replace(judgement, world=replace(judgement.world, district=district))


def _calendars(judgement: Judgement, **facts: object) -> Judgement:
    calendars = {
        name: replace(calendar, **facts)  # type: ignore[arg-type]
        for name, calendar in judgement.world.calendars.items()
    }
    return replace(judgement, world=replace(judgement.world, calendars=calendars))


def _student(judgement: Judgement, opened: Callable[[StudentFacts], StudentFacts]) -> Judgement:
    students = {name: opened(facts) for name, facts in judgement.world.students.items()}
    return replace(judgement, world=replace(judgement.world, students=students))


def _users(judgement: Judgement, opened: Callable[[UserFacts], UserFacts]) -> Judgement:
    def of_student(facts: StudentFacts) -> StudentFacts:
        relationships = [
            replace(relationship, guardian=opened(relationship.guardian))
            for relationship in facts.relationships
        ]
        return replace(facts, student=opened(facts.student), relationships=tuple(relationships))

    return _student(judgement, of_student)


def _each_device(judgement: Judgement, opened: Callable[[DeviceFacts], DeviceFacts]) -> Judgement:
    return _users(judgement, lambda user: replace(user, devices=tuple(map(opened, user.devices))))


def _each_choice(judgement: Judgement, opened: Callable[[Subscription], Subscription]) -> Judgement:
    """Change every choice that is stored, of persons and of devices."""

    def device(one: DeviceFacts) -> DeviceFacts:
        chosen = {name: opened(own) for name, own in one.subscriptions.items()}
        return replace(one, subscriptions=chosen)

    def user(one: UserFacts) -> UserFacts:
        chosen = {name: opened(own) for name, own in one.subscriptions.items()}
        return replace(one, subscriptions=chosen)

    return _users(_each_device(judgement, device), user)


def _open_time(judgement: Judgement) -> Judgement:
    kinds = {kind: KindSettings(time_to_live=dt.timedelta(days=1)) for kind in Kind}
    return replace(
        _district(judgement, kinds=kinds),
        change=replace(judgement.change, historical=False),
        moment=Moment(lateness=dt.timedelta(0), school_day=DAY),
    )


def _open_display(judgement: Judgement, **facts: object) -> Judgement:
    calendars = {
        name: replace(
            calendar,
            display_options=replace(calendar.display_options, **facts),  # type: ignore[arg-type]
        )
        for name, calendar in judgement.world.calendars.items()
    }
    return replace(judgement, world=replace(judgement.world, calendars=calendars))


def _open_enrollment(judgement: Judgement) -> Judgement:
    everywhere = tuple(
        EnrollmentFacts(enrollment_id=name, calendar_id=name, start_date=dt.date(2000, 1, 1))
        for name in CALENDARS
    )
    return _student(
        judgement,
        lambda facts: replace(
            facts, student=replace(facts.student, active=True), enrollments=everywhere
        ),
    )


def _open_relationships(judgement: Judgement) -> Judgement:
    def opened(relationship: RelationshipFacts) -> RelationshipFacts:
        return RelationshipFacts(guardian=relationship.guardian, portal_enabled=True)

    following = _district(judgement, adult_students=AdultStudentRule.FOLLOW_PORTAL_FLAG)
    return _student(
        following,
        lambda facts: replace(facts, relationships=tuple(map(opened, facts.relationships))),
    )


def _open_device(judgement: Judgement) -> Judgement:
    usable = _each_device(judgement, lambda device: replace(device, retirement=None))
    return _district(usable, minimum_versions={})


def _wanting_everything(kind: Kind) -> Condition | None:
    if kind is Kind.ASSIGNMENT:
        return AssignmentCondition(actions=frozenset(AssignmentAction))
    if kind is Kind.ATTENDANCE:
        return AttendanceCondition(statuses=frozenset(AttendanceStatus))
    return None


def _open_subscription(judgement: Judgement) -> Judgement:
    """Enable what is stored and what holds where nothing is; the conditions stay."""
    kind, known = judgement.change.kind, judgement.world.district.default_subscriptions

    opened = _each_choice(judgement, lambda own: replace(own, enabled=True))
    heard = _each_device(opened, lambda device: replace(device, muted=False))
    nothing = Subscription(enabled=True)
    defaults = {
        (app, kind): replace(known.get((app, kind), nothing), enabled=True) for app in AppType
    }
    return _district(heard, default_subscriptions=defaults)


def _open_condition(judgement: Judgement) -> Judgement:
    everything = _wanting_everything(judgement.change.kind)

    opened = _each_choice(judgement, lambda own: replace(own, condition=everything))
    defaults = {
        key: replace(own, condition=everything)
        for key, own in judgement.world.district.default_subscriptions.items()
    }
    return _district(opened, default_subscriptions=defaults)


def _open_value(judgement: Judgement) -> Judgement:
    """Make the change news to everybody, but leave what the limits and corrections look at."""
    update = replace(judgement.update, changed=True, other_key="old place")
    return replace(judgement, update=update)


_OPENINGS: dict[str, Callable[[Judgement], Judgement]] = {
    "1 switch": lambda j: _district(j, enabled=True),
    "2 licence": lambda j: _district(j, licensed_kinds=frozenset(Kind)),
    "3 time": _open_time,
    "4 year": lambda j: _calendars(_district(j, active_school_year=2027), school_year=2027),
    "5 calendar": lambda j: _open_display(
        _calendars(j, terms=()), enabled=True, disabled_term_ids=frozenset()
    ),
    "6 tool": lambda j: _open_display(j, app_kinds=DisplayOptions().app_kinds),
    "7 enrollment": _open_enrollment,
    "8 relationship": _open_relationships,
    "9 account": lambda j: _users(j, lambda user: replace(user, enabled=True)),
    "10 device": _open_device,
    "11 login": lambda j: _each_device(j, lambda device: replace(device, stay_logged_in=True)),
    "12 subscription": _open_subscription,
    "13 condition": _open_condition,
    "14 and 15 value": _open_value,
    "16 newest": lambda j: replace(j, update=replace(j.update, older=False)),
}


@pytest.mark.parametrize("opening", _OPENINGS.values(), ids=_OPENINGS.keys())
@settings(max_examples=200, deadline=None)
@given(judgement=judgements())
def test_opening_a_gate_never_adds_a_refusal(
    opening: Callable[[Judgement], Judgement], judgement: Judgement
) -> None:
    before, after = _ranks(judgement), _ranks(opening(judgement))
    for device_id, rank in before.items():
        if rank == _TOLD or judgement.change.calendar_id is not None:
            assert after[device_id] >= rank


@settings(max_examples=200, deadline=None)
@given(judgement=judgements(), randomness=st.randoms(use_true_random=True))
def test_the_order_of_facts_never_matters(judgement: Judgement, randomness: Random) -> None:
    def shuffled(items: tuple[Item, ...]) -> tuple[Item, ...]:
        return tuple(randomness.sample(items, len(items)))

    def user(facts: UserFacts) -> UserFacts:
        return replace(facts, devices=shuffled(facts.devices))

    mixed = _student(
        _users(judgement, user),
        lambda facts: replace(
            facts,
            enrollments=shuffled(facts.enrollments),
            relationships=shuffled(facts.relationships),
        ),
    )
    world: World = mixed.world
    calendars = {
        name: replace(calendar, terms=shuffled(calendar.terms))
        for name, calendar in reversed(list(world.calendars.items()))
    }
    mixed = replace(mixed, world=replace(world, calendars=calendars))
    assert mixed.decide() == judgement.decide()


@settings(max_examples=200, deadline=None)
@given(first=judgements(), second=judgements())
def test_a_decision_is_a_function_of_its_facts_alone(first: Judgement, second: Judgement) -> None:
    once = first.decide()
    second.decide()
    assert first.decide() == once


@settings(max_examples=500, deadline=None)
@given(judgement=judgements())
def test_nobody_is_told_without_a_portal_relationship(judgement: Judgement) -> None:
    student = judgement.world.students["ann"]
    relationships = student.relationships
    for recipient, _ in judgement.decide().told():
        if recipient.user_id != "ann":
            own = [
                relationship
                for relationship in relationships
                if relationship.guardian.user_id == recipient.user_id
            ]
            assert any(relationship.portal_enabled and relationship.active for relationship in own)
            assert not student.bars.get(recipient.user_id)


@settings(max_examples=500, deadline=None)
@given(judgement=judgements())
def test_nobody_is_told_a_number_outside_the_limit(judgement: Judgement) -> None:
    kind, number = judgement.change.kind, _number(judgement)
    devices = {device.device_id: device for _, device in _devices(judgement)}
    student = judgement.world.students["ann"]
    people = [student.student, *(relationship.guardian for relationship in student.relationships)]
    chosen = {user.user_id: user.subscriptions for user in people}
    for recipient, told in judgement.decide().told():
        subscription = (
            devices[told.device_id].subscriptions.get(("ann", kind))
            or chosen[recipient.user_id].get((recipient.app, "ann", kind))
            or judgement.world.district.default_subscriptions[recipient.app, kind]
        )
        limit = _limit(subscription.condition)
        if limit is not None and not _is_missing(judgement):
            assert number is not None
            assert number < limit


def _number(judgement: Judgement) -> Decimal | None:
    match judgement.update.current:
        case ScoreValue(percent=number) | GradeValue(percent=number) | BalanceValue(balance=number):
            return number
    return None


def _is_missing(judgement: Judgement) -> bool:
    """Return whether this is the one change that passes a limit without a number."""
    action = getattr(judgement.change.payload, "action", None)
    return action is AssignmentAction.MISSING and _number(judgement) is None


def _limit(condition: Condition | None) -> Decimal | None:
    below: Decimal | None = getattr(condition, "below_percent", None)
    return getattr(condition, "below_balance", None) if below is None else below


@settings(max_examples=500, deadline=None)
@given(judgement=judgements())
def test_an_explanation_agrees_with_the_decision(judgement: Judgement) -> None:
    decision = judgement.decide()
    explanation = explain(
        judgement.change,
        judgement.moment,
        judgement.update,
        judgement.world,
        judgement.baselines,
    )
    for app, device in _devices(judgement):
        recorded = refusal_of(decision, app, device.user_id, device.device_id)
        assert first_failure(explanation, device.device_id) == recorded
    told = {recipient.user_id for recipient, _ in decision.told()}
    assert {one.user_id for one in explanation.recipients if one.is_told} == told


@settings(max_examples=200, deadline=None)
@given(judgement=judgements())
def test_a_refusal_counts_once_where_it_is_recorded(judgement: Judgement) -> None:
    decision = judgement.decide()
    if decision.refusal is not None:
        assert decision.recipients == ()
        assert decision.refusal.gate in {*map(Gate, (1, 2, 3, 4, 5, 7)), Gate.NEWEST}
    for _, refusal in decision.app_refusals:
        assert refusal.gate is Gate.TOOL_SHOWN
    for recipient in decision.recipients:
        if recipient.refusal is not None:
            assert recipient.devices == ()
            assert recipient.refusal.gate in (Gate.RELATED, Gate.ACCOUNT)
        for device in recipient.devices:
            assert device.refusal is None or 10 <= device.refusal.gate <= 15
            assert isinstance(device.previous, Previous)
