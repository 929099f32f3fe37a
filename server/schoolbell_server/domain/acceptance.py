"""The plan of a batch: what accepting these changes does to facts and deliveries.

Changes are folded in the order (occur time, position). What has not left for a fact whose value
becomes another is superseded, whichever gate the newer change then fails; a device whose news
was superseded is judged against what it was told before. The shell stores the plan as it is.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from schoolbell_server.domain.change import Change, ChangeKey
from schoolbell_server.domain.decision import Decision, Moment
from schoolbell_server.domain.eligibility import decide
from schoolbell_server.domain.fact import Baseline, FactKey, FactUpdate, Previous
from schoolbell_server.domain.fact_state import FactState, Told
from schoolbell_server.domain.fold import Folded, fold
from schoolbell_server.domain.kinds import App
from schoolbell_server.domain.world import KindSettings, World

_NO_SETTINGS = KindSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A change that is accepted, and when."""

    change: Change
    receive_time: dt.datetime
    moment: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class FactDelivery:
    """A delivery that already exists for a fact, oldest first among its like."""

    delivery_id: str
    device_id: str
    fact_keys: tuple[FactKey, ...]
    unsent: bool
    """PENDING or HELD with no attempt and no lease: it may still be superseded."""
    seen: bool
    """It has an attempt (a lease counts as one) that was not rejected."""
    previous: Previous
    """The baseline that it was judged against."""


@dataclass(slots=True, kw_only=True)
class PlannedDelivery:
    """A delivery to be written; superseded already where a later change of the batch did so."""

    index: int
    """Of its change in the batch."""
    device_id: str
    user_id: str
    app: App
    fact_key: FactKey
    other_key: FactKey | None
    told: Told
    correction: bool
    hold: dt.timedelta
    superseded_by: ChangeKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that the transaction has to store, but the changes themselves."""

    decisions: Sequence[Decision]
    """Aligned with the batch."""
    states: Mapping[FactKey, FactState]
    deliveries: Sequence[PlannedDelivery]
    superseded: Mapping[str, ChangeKey]
    """The existing deliveries that are cancelled, by id, with the change that did it."""


@dataclass(slots=True)
class _Ledger:
    """The deliveries of every fact while the batch is folded."""

    existing: dict[FactKey, list[FactDelivery]] = field(default_factory=lambda: defaultdict(list))
    planned: dict[FactKey, list[PlannedDelivery]] = field(default_factory=lambda: defaultdict(list))
    superseded: dict[str, ChangeKey] = field(default_factory=dict)


def plan(
    batch: Sequence[Received],
    world: World,
    states: Mapping[FactKey, FactState],
    deliveries: Iterable[FactDelivery],
) -> Plan:
    """Plan a batch of one district; `states` and `deliveries` are those of the facts it touches."""
    known, ledger = dict(states), _Ledger()
    for delivery in deliveries:
        for key in delivery.fact_keys:
            ledger.existing[key].append(delivery)
    decisions: dict[int, Decision] = {}
    planned: list[PlannedDelivery] = []
    for index in sorted(range(len(batch)), key=lambda index: batch[index].change.occur_time):
        received = batch[index]
        folded = fold(received.change, received.receive_time, known)
        decision = judge(received, folded.update, world, _baselines(folded.update, ledger))
        _supersede(received.change.key, folded, ledger)
        known.update(folded.states)
        decisions[index] = decision
        fresh = _deliveries(index, received, folded.update, decision, world)
        _remember(fresh, ledger)
        planned.extend(fresh)
    touched = {key: state for key, state in known.items() if states.get(key) != state}
    return Plan(
        decisions=[decisions[index] for index in range(len(batch))],
        states=touched,
        deliveries=planned,
        superseded=ledger.superseded,
    )


def judge(
    received: Received, update: FactUpdate, world: World, baselines: Mapping[str, Baseline]
) -> Decision:
    """Decide one received change."""
    return decide(received.change, received.moment, update, world, baselines)


def baselines_of(update: FactUpdate, deliveries: Iterable[FactDelivery]) -> dict[str, Baseline]:
    """Return the baselines of the devices that were, or were going to be, told of a fact."""
    ledger = _Ledger()
    ledger.existing[update.key].extend(deliveries)
    return _baselines(update, ledger)


def _baselines(update: FactUpdate, ledger: _Ledger) -> dict[str, Baseline]:
    """Return each device's baseline: that of its oldest delivery which has not left.

    A change that leaves the value as it was cancels nothing and is judged against the value.
    """
    unsent: dict[str, Previous] = {}
    seen: set[str] = set()
    for delivery in ledger.existing.get(update.key, ()):
        if delivery.seen:
            seen.add(delivery.device_id)
        if delivery.unsent and delivery.delivery_id not in ledger.superseded and update.changed:
            unsent.setdefault(delivery.device_id, delivery.previous)
    for planned in ledger.planned.get(update.key, ()):
        if planned.superseded_by is None and update.changed:
            unsent.setdefault(planned.device_id, planned.told.previous)
    return {
        device_id: Baseline(
            previous=unsent.get(device_id, update.previous), attempted=device_id in seen
        )
        for device_id in unsent.keys() | seen
    }


def _supersede(key: ChangeKey, folded: Folded, ledger: _Ledger) -> None:
    for fact in folded.changed_keys:
        for delivery in ledger.existing.get(fact, ()):
            if delivery.unsent:
                ledger.superseded.setdefault(delivery.delivery_id, key)
        for planned in ledger.planned.pop(fact, ()):
            planned.superseded_by = planned.superseded_by or key


def _remember(fresh: Iterable[PlannedDelivery], ledger: _Ledger) -> None:
    for planned in fresh:
        ledger.planned[planned.fact_key].append(planned)
        if planned.other_key is not None:
            ledger.planned[planned.other_key].append(planned)


def _deliveries(
    index: int, received: Received, update: FactUpdate, decision: Decision, world: World
) -> list[PlannedDelivery]:
    settings = world.district.kinds.get(received.change.kind, _NO_SETTINGS)
    return [
        PlannedDelivery(
            index=index,
            device_id=device.device_id,
            user_id=recipient.user_id,
            app=recipient.app,
            fact_key=update.key,
            other_key=update.other_key,
            told=Told(device.previous, update.current),
            correction=device.correction,
            hold=settings.hold,
        )
        for recipient, device in decision.told()
    ]
