"""Why somebody is, or is not, told of a change about several students.

The change's own gates are shown for the student for whom it gets furthest, and each person's for
the student by whom the person is told, or comes closest to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from schoolbell_server.domain.change import Change
from schoolbell_server.domain.decision import Moment
from schoolbell_server.domain.explain import (
    DeviceExplanation,
    Explanation,
    GateRow,
    RecipientExplanation,
    explain,
)
from schoolbell_server.domain.fact import Baseline, FactUpdate
from schoolbell_server.domain.gate import GATE_ORDER
from schoolbell_server.domain.shared import about
from schoolbell_server.domain.world import World


def explain_all(
    change: Change,
    moment: Moment,
    update: FactUpdate,
    world: World,
    baselines: Mapping[str, Baseline],
    user_id: str | None = None,
    device_id: str | None = None,
) -> Explanation:
    """Explain a change to all related persons, or only to the one named, as `explain` does."""
    sides = [
        explain(about(change, student_id), moment, update, world, baselines, user_id, device_id)
        for student_id in change.student_ids
    ]
    if len(sides) == 1:
        return sides[0]
    leading = max(sides, key=lambda side: _reach(side.first_failure))
    people: dict[str, list[RecipientExplanation]] = {}
    for side in sides:
        for one in side.recipients:
            people.setdefault(one.user_id, []).append(one)
    places = {student_id: place for place, student_id in enumerate(change.student_ids)}
    ordered = sorted(people, key=lambda name: (places.get(name, len(places)), name))
    return replace(leading, recipients=tuple(_merged(people[name]) for name in ordered))


def _merged(found: Sequence[RecipientExplanation]) -> RecipientExplanation:
    """Return one person as the student explains it who gets furthest, each device likewise."""
    best = max(found, key=_progress)
    if best.first_failure is not None:
        return best
    judged = [one for one in found if one.first_failure is None]
    devices = [_device(list(rows)) for rows in zip(*(one.devices for one in judged), strict=True)]
    return replace(best, devices=tuple(devices))


def _progress(one: RecipientExplanation) -> tuple[int, int]:
    devices = [_reach(device.first_failure) for device in one.devices]
    return _reach(one.first_failure), max(devices, default=0)


def _device(rows: Sequence[DeviceExplanation]) -> DeviceExplanation:
    return max(rows, key=lambda row: _reach(row.first_failure))


def _reach(failure: GateRow | None) -> int:
    """Return how far something gets; of equal ones `max` takes the first."""
    return len(GATE_ORDER) if failure is None else GATE_ORDER.index(failure.gate)
