"""A row of the decision table as the arguments of a decision."""

from __future__ import annotations

import copy
import datetime as dt
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from schoolbell_server.domain.change import Change, ChangeKey, Payload
from schoolbell_server.domain.decision import Moment
from schoolbell_server.domain.fact import Baseline, FactUpdate, Previous, Value
from schoolbell_server.domain.fold import fold
from schoolbell_server.domain.kinds import AppType, Kind, Platform
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
from schoolbell_server.domain.kinds.responsive_schedule import (
    ResponsiveScheduleChange,
    ScheduleValue,
)
from schoolbell_server.domain.world import (
    CalendarFacts,
    DeviceFacts,
    DistrictFacts,
    EnrollmentFacts,
    MinimumVersion,
    RelationshipFacts,
    StudentFacts,
    Subscription,
    UserFacts,
    World,
)
from tests.decision_table.building import build

_BASE = Path(__file__).with_name("base.toml")
_PAYLOADS: dict[str, type[Payload]] = {
    "assignment": AssignmentChange,
    "grade": GradeChange,
    "attendance": AttendanceChange,
    "lunch": LunchBalanceChange,
    "responsive": ResponsiveScheduleChange,
}
_VALUES: dict[str, type[Value]] = {
    "assignment": ScoreValue,
    "grade": GradeValue,
    "attendance": AttendanceValue,
    "lunch": BalanceValue,
    "responsive": ScheduleValue,
}
_CONDITIONS: dict[Kind, type] = {
    Kind.ASSIGNMENT: AssignmentCondition,
    Kind.GRADE: GradeCondition,
    Kind.ATTENDANCE: AttendanceCondition,
    Kind.LUNCH_BALANCE: LunchBalanceCondition,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What a decision is made from."""

    change: Change
    moment: Moment
    update: FactUpdate
    world: World
    baselines: Mapping[str, Baseline]


@cache
def read(path: Path) -> dict[str, Any]:
    """Read a table with exact decimals; nobody may change what is returned."""
    return tomllib.loads(path.read_text(), parse_float=Decimal)


def scenario(
    change: str = "grade", given: Mapping[str, Any] | None = None, without: Iterable[str] = ()
) -> Scenario:
    """Return the base scenario for a kind of change, with values set and taken away by path.

    Beside the paths of base.toml there are `known` and `known_set` (the fact's stored value and
    when it was set), `update` (of the fact, as it stands) and `baseline.<device>`.
    """
    plain = copy.deepcopy(read(_BASE))
    for path, value in (given or {}).items():
        _parent(plain, path)[path.rpartition(".")[2]] = value
    for path in without:
        del _parent(plain, path)[path.rpartition(".")[2]]
    happened = _change(plain, change)
    return Scenario(
        change=happened,
        moment=build(Moment, plain["moment"]),
        update=_update(plain, change, happened),
        world=_world(plain),
        baselines=_baselines(plain, change),
    )


def _parent(plain: dict[str, Any], path: str) -> dict[str, Any]:
    place = plain
    for step in path.split(".")[:-1]:
        place = place.setdefault(step, {})
    return place


def _change(plain: dict[str, Any], name: str) -> Change:
    payload = build(_PAYLOADS[name], plain["payloads"][name])
    return Change(key=ChangeKey(source="sis", change_id="c1"), payload=payload, **plain["change"])


def _update(plain: dict[str, Any], name: str, change: Change) -> FactUpdate:
    """Return what the change does to an unknown fact, or to the one that the row knows."""
    folded = fold(change, change.occur_time, {}).update
    if "known" in plain:
        known = build(_VALUES[name], plain["known"])
        previous = Previous(value=known, set_time=plain.get("known_set"))
        folded = replace(folded, previous=previous, changed=known != folded.current, by_student={})
    raw = dict(plain.get("update", {}))
    if "current" in raw:
        raw["current"] = build(_VALUES[name], raw["current"])
    return replace(folded, **raw)


def _baselines(plain: dict[str, Any], name: str) -> dict[str, Baseline]:
    found = {}
    for device_id, baseline in plain.get("baseline", {}).items():
        value = build(_VALUES[name], baseline["value"]) if "value" in baseline else None
        previous = Previous(value=value, set_time=baseline.get("set"))
        found[device_id] = Baseline(previous=previous, attempted=baseline.get("attempted", False))
    return found


def _world(plain: dict[str, Any]) -> World:
    users = {user_id: _user(plain, user_id, own) for user_id, own in plain["users"].items()}
    return World(
        district=_district(plain["district"]),
        calendars={name: _calendar(name, own) for name, own in plain["calendars"].items()},
        students={name: _student(plain, name, users) for name in plain["students"]},
        users=users,
    )


def _district(plain: dict[str, Any]) -> DistrictFacts:
    """Read minimum versions by app and platform, default subscriptions by app and kind."""
    minimums = plain.pop("minimum_versions", {})
    defaults = plain.pop("default_subscriptions", {})
    return replace(
        build(DistrictFacts, plain),
        minimum_versions={
            (app_id, Platform[platform]): build(MinimumVersion, own)
            for app_id, of_app in minimums.items()
            for platform, own in of_app.items()
        },
        default_subscriptions={
            (AppType[app], Kind[kind]): _subscription(Kind[kind], own)
            for app, of_app in defaults.items()
            for kind, own in of_app.items()
        },
    )


def _calendar(calendar_id: str, plain: dict[str, Any]) -> CalendarFacts:
    terms = [{"term_id": term_id, **own} for term_id, own in plain.get("terms", {}).items()]
    return build(CalendarFacts, {**plain, "calendar_id": calendar_id, "terms": terms})


def _user(plain: dict[str, Any], user_id: str, own: dict[str, Any]) -> UserFacts:
    devices = [
        _device(device_id, device)
        for device_id, device in plain["devices"].items()
        if device["user"] == user_id
    ]
    plain_user = {name: value for name, value in own.items() if name != "subscriptions"}
    user = build(UserFacts, {**plain_user, "user_id": user_id, "devices": devices})
    chosen = {
        (AppType[app], *name): wanted
        for app, of_app in own.get("subscriptions", {}).items()
        for name, wanted in _subscriptions(of_app).items()
    }
    return replace(user, subscriptions=chosen)


def _device(device_id: str, plain: dict[str, Any]) -> DeviceFacts:
    own = {name: value for name, value in plain.items() if name not in ("user", "subscriptions")}
    device = build(DeviceFacts, {**own, "device_id": device_id, "user_id": plain["user"]})
    return replace(device, subscriptions=_subscriptions(plain.get("subscriptions", {})))


def _subscriptions(plain: dict[str, Any]) -> dict[tuple[str, Kind], Subscription]:
    """Read subscriptions by student and kind."""
    return {
        (student_id, Kind[kind]): _subscription(Kind[kind], own)
        for student_id, of_student in plain.items()
        for kind, own in of_student.items()
    }


def _subscription(kind: Kind, plain: dict[str, Any]) -> Subscription:
    condition = plain.get("condition")
    if condition is not None:
        condition = build(_CONDITIONS[kind], condition)
    limit_time: dt.datetime | None = plain.get("limit_time")
    return Subscription(enabled=plain["enabled"], condition=condition, limit_time=limit_time)


def _student(plain: dict[str, Any], student_id: str, users: dict[str, UserFacts]) -> StudentFacts:
    own = plain["students"][student_id]
    return StudentFacts(
        student=_user(plain, student_id, own["account"]),
        enrollments=tuple(
            build(EnrollmentFacts, {**enrollment, "enrollment_id": enrollment_id})
            for enrollment_id, enrollment in own.get("enrollments", {}).items()
        ),
        relationships=tuple(
            build(RelationshipFacts, {**relationship, "guardian": users[guardian_id]})
            for guardian_id, relationship in own.get("guardians", {}).items()
        ),
        bars={user_id: tuple(sources) for user_id, sources in own.get("bars", {}).items()},
    )
