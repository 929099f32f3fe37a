"""The plan of a batch: what accepting these changes does to facts and deliveries.

Changes are folded in the order (occur time, position). What has not left for a fact whose value
becomes another is superseded, whichever gate the newer change then fails; a device whose news
was superseded is judged against what it was told before. The shell stores the plan as it is.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from schoolbell_server.domain.attendance import lifts
from schoolbell_server.domain.change import Change, ChangeKey
from schoolbell_server.domain.decision import Decision, Moment
from schoolbell_server.domain.eligibility import decide
from schoolbell_server.domain.fact import Baseline, FactKey, FactUpdate, Previous
from schoolbell_server.domain.fact_state import FactState, Told
from schoolbell_server.domain.fold import fold
from schoolbell_server.domain.kinds import AppType
from schoolbell_server.domain.world import World

_NOBODY: frozenset[str] = frozenset()


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
    fact_key: FactKey
    """The fact that it tells: a move's new place. Its old place does not supersede it."""
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
    app: AppType
    fact_key: FactKey
    other_key: FactKey | None
    told: Told
    correction: bool
    lifted: bool
    """Its change lifts an attendance mark, and so lives for the day on which it is made."""
    hold: dt.timedelta
    superseded_by: ChangeKey | None = None

    @property
    def previous(self) -> Previous:
        """Return the baseline that it was judged against."""
        return self.told.previous


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that the transaction has to store, but the changes themselves."""

    decisions: Sequence[Decision]
    """Aligned with the batch."""
    states: Mapping[FactKey, FactState]
    """What is to be stored, sorted by key."""
    deliveries: Sequence[PlannedDelivery]
    superseded: Mapping[str, ChangeKey]
    """The existing deliveries that are cancelled, by id, with the change that did it."""


@dataclass(slots=True)
class _Ledger:
    """The deliveries of every fact while the batch is folded."""

    unsent: dict[FactKey, list[FactDelivery | PlannedDelivery]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """Oldest first; emptied by what supersedes them."""
    seen: dict[FactKey, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The devices that may have been told."""
    superseded: dict[str, ChangeKey] = field(default_factory=dict)

    def enter(self, delivery: FactDelivery) -> None:
        """Take in a delivery that exists already."""
        if delivery.unsent:
            self.unsent[delivery.fact_key].append(delivery)
        if delivery.seen:
            self.seen[delivery.fact_key].add(delivery.device_id)

    def supersede(self, fact_key: FactKey, by: ChangeKey) -> None:
        """Cancel what has not left for a fact."""
        for delivery in self.unsent.pop(fact_key, ()):
            if isinstance(delivery, PlannedDelivery):
                delivery.superseded_by = by
            else:
                self.superseded[delivery.delivery_id] = by

    def baselines(self, update: FactUpdate) -> dict[str, Baseline]:
        """Return each device's baseline: that of its oldest delivery which has not left.

        A change that leaves the value as it was cancels nothing and is judged against the value.
        """
        unsent: dict[str, Previous] = {}
        for delivery in self.unsent.get(update.key, ()) if update.changed else ():
            unsent.setdefault(delivery.device_id, delivery.previous)
        seen: Set[str] = self.seen.get(update.key, _NOBODY)
        return {
            device_id: Baseline(
                previous=unsent.get(device_id, update.previous), attempted=device_id in seen
            )
            for device_id in unsent.keys() | seen
        }


def plan(
    batch: Sequence[Received],
    world: World,
    states: Mapping[FactKey, FactState],
    deliveries: Iterable[FactDelivery],
) -> Plan:
    """Plan a batch of one district; `states` and `deliveries` are those of the facts it touches."""
    known, ledger = dict(states), _ledger(deliveries)
    decisions: dict[int, Decision] = {}
    planned: list[PlannedDelivery] = []
    for index in sorted(range(len(batch)), key=lambda index: batch[index].change.occur_time):
        received = batch[index]
        folded = fold(received.change, received.receive_time, known)
        baselines = ledger.baselines(folded.update)
        decision = judge(received, folded.update, world, baselines)
        for key in folded.changed_keys:
            ledger.supersede(key, received.change.key)
        known.update(folded.states)
        decisions[index] = decision
        lifted = lifts(folded.update, baselines)
        fresh = _deliveries(index, received, folded.update, decision, world, lifted=lifted)
        ledger.unsent[folded.update.key].extend(fresh)
        planned.extend(fresh)
    touched = {key: state for key, state in sorted(known.items()) if states.get(key) != state}
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
    return _ledger(deliveries).baselines(update)


def _ledger(deliveries: Iterable[FactDelivery]) -> _Ledger:
    ledger = _Ledger()
    for delivery in deliveries:
        ledger.enter(delivery)
    return ledger


def _deliveries(
    index: int,
    received: Received,
    update: FactUpdate,
    decision: Decision,
    world: World,
    *,
    lifted: bool,
) -> list[PlannedDelivery]:
    hold = world.district.settings_of(received.change.kind).hold
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
            lifted=lifted,
            hold=hold,
        )
        for recipient, device in decision.told()
    ]
