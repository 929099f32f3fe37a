"""A change about several students: the balance of a lunch account that siblings share.

Every gate is judged for each student as if the change were about that student alone. A device is
told if every gate lets the change through for at least one of them, and then once, of all the
students whom its user may see: those for whom gates 1 to 9 let it through. Where nobody of them
lets it through, the refusal that came furthest is recorded, once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from schoolbell_server.domain.cases import change_case, recipients
from schoolbell_server.domain.change import Change
from schoolbell_server.domain.decision import (
    Decision,
    DeviceDecision,
    Moment,
    RecipientDecision,
    Refusal,
)
from schoolbell_server.domain.eligibility import decide, recheck
from schoolbell_server.domain.fact import Baseline, FactUpdate
from schoolbell_server.domain.gate import GATE_ORDER
from schoolbell_server.domain.kinds import AppType, Gate
from schoolbell_server.domain.world import World

OF_THE_DEVICE = frozenset({Gate.DEVICE_USABLE, Gate.STAYS_LOGGED_IN, Gate.SUBSCRIBED})
"""The gates that are judged again before an attempt and say nothing of whom a person may see."""


@dataclass(frozen=True, slots=True)
class Telling:
    """How one device is told."""

    student_ids: tuple[str, ...]
    """The students whom its user may see, in the change's order; never empty."""
    app: AppType


Tellings = Mapping[str, Telling]
"""By device_id, of the devices that are told."""


@dataclass(frozen=True, slots=True)
class _Side:
    """What one student's side of the change says of a person."""

    student_id: str
    decision: RecipientDecision


def about(change: Change, student_id: str) -> Change:
    """Return a change as if it were about one of its students alone.

    The calendar is that of the change's own student; a sibling may be at another school.
    """
    if student_id == change.student_id and len(change.student_ids) == 1:
        return change
    own = student_id == change.student_id
    calendar_id = change.calendar_id if own else None
    return replace(
        change, student_id=student_id, calendar_id=calendar_id, payload=change.payload.alone()
    )


def decide_all(
    change: Change,
    moment: Moment,
    update: FactUpdate,
    world: World,
    baselines: Mapping[str, Baseline],
) -> tuple[Decision, Tellings]:
    """Decide who is told of a change; of one about several students, also of whom each is told."""
    if len(change.student_ids) == 1:
        return decide(change, moment, update, world, baselines), {}
    views = [about(change, student_id) for student_id in change.student_ids]
    decisions = [decide(view, moment, update, world, baselines) for view in views]
    refusals = [one.refusal for one in decisions if one.refusal is not None]
    if len(refusals) == len(decisions):
        return Decision(refusal=furthest(refusals)), {}
    ended = _ended(decisions)
    sides: dict[str, list[_Side]] = {}
    for view, decision in zip(views, decisions, strict=True):
        for one in _people(view, decision, moment, update, world):
            if one.app not in dict(ended):
                sides.setdefault(one.user_id, []).append(_Side(view.student_id, one))
    tellings: dict[str, Telling] = {}
    judged = [_person(sides[name], tellings) for name in _ordered(sides, change.student_ids)]
    return Decision(app_refusals=ended, recipients=tuple(judged)), tellings


@dataclass(frozen=True, slots=True)
class Rechecked:
    """What today's facts let a delivery say."""

    refusal: Refusal | None
    """Why it is not sent."""
    student_ids: tuple[str, ...]
    """The students whom the person may still see."""


def recheck_all(
    change: Change,
    student_ids: Sequence[str],
    user_id: str,
    device_id: str,
    school_day: dt.date,
    world: World,
) -> Rechecked:
    """Judge gates 1 to 12 again, except 3, for a delivery that names these students."""
    found = {
        student_id: recheck(about(change, student_id), user_id, device_id, school_day, world)
        for student_id in student_ids
    }
    seen = tuple(
        student_id
        for student_id, refusal in found.items()
        if refusal is None or refusal.gate in OF_THE_DEVICE
    )
    refusals = [refusal for refusal in found.values() if refusal is not None]
    return Rechecked(furthest(refusals) if len(refusals) == len(found) else None, seen)


def furthest(refusals: Iterable[Refusal]) -> Refusal:
    """Return the refusal by the latest gate; of several the first."""
    return max(refusals, key=lambda refusal: GATE_ORDER.index(refusal.gate))


def _ended(decisions: Sequence[Decision]) -> tuple[tuple[AppType, Refusal], ...]:
    """Return the apps whose side ends for every student whom the change itself reaches."""
    reached = [dict(one.app_refusals) for one in decisions if one.refusal is None]
    return tuple(
        (app, reached[0][app]) for app in AppType if all(app in ended for ended in reached)
    )


def _people(
    view: Change, decision: Decision, moment: Moment, update: FactUpdate, world: World
) -> list[RecipientDecision]:
    """Return what one student's side says of every related person, also where it ended early."""
    judged = {one.user_id: one for one in decision.recipients}
    ended = dict(decision.app_refusals)
    return [
        judged.get(one.user.user_id)
        or RecipientDecision(
            user_id=one.user.user_id, app=one.app, refusal=decision.refusal or ended[one.app]
        )
        for one in recipients(change_case(view, moment, update, world))
    ]


def _ordered(people: Iterable[str], student_ids: Sequence[str]) -> list[str]:
    """Return people in the order of a decision: the students, then guardians by user_id."""
    places = {student_id: place for place, student_id in enumerate(student_ids)}
    return sorted(people, key=lambda name: (places.get(name, len(places)), name))


def _person(sides: Sequence[_Side], tellings: dict[str, Telling]) -> RecipientDecision:
    """Merge what the students' sides say of one person, and add how devices are told."""
    open_sides = [side for side in sides if side.decision.refusal is None]
    first = (open_sides or sides)[0].decision
    if not open_sides:
        refusals = [side.decision.refusal for side in sides if side.decision.refusal is not None]
        return replace(first, refusal=furthest(refusals))
    seen = tuple(side.student_id for side in open_sides)
    devices = []
    for place, device in enumerate(first.devices):
        judged = [side.decision.devices[place] for side in open_sides]
        devices.append(_device(judged))
        told = next((side for side in open_sides if _tells(side, place)), None)
        if told is not None:
            tellings[device.device_id] = Telling(seen, told.decision.app)
    return replace(first, devices=tuple(devices))


def _tells(side: _Side, place: int) -> bool:
    return side.decision.devices[place].refusal is None


def _device(judged: Sequence[DeviceDecision]) -> DeviceDecision:
    """Return the decision of the first student by whom a device is told, else the furthest."""
    for one in judged:
        if one.refusal is None:
            return one
    return max(judged, key=_reach)


def _reach(device: DeviceDecision) -> int:
    return -1 if device.refusal is None else GATE_ORDER.index(device.refusal.gate)
