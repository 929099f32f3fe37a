"""The plan of a batch: what accepting these changes does to facts and deliveries.

Changes are folded in the order (occur time, position). What has not left for a fact whose value
becomes another is superseded, whichever gate the newer change then fails; a device whose news
was superseded is judged against what it was told before. The shell stores the plan as it is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from schoolbell_server.domain.change import Change, ChangeKey
from schoolbell_server.domain.decision import (
    Decision,
    DeviceDecision,
    Moment,
    RecipientDecision,
)
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.fact import FactKey, FactState, FactUpdate, Told, lifts
from schoolbell_server.domain.fold import fold
from schoolbell_server.domain.ledger import (
    Ledger,
    PlannedDelivery,
    Superseded,
    everything,
)
from schoolbell_server.domain.shared import Telling, Tellings, decide_all
from schoolbell_server.domain.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A change that is accepted, and when."""

    change: Change
    receive_time: dt.datetime
    moment: Moment


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


def plan(
    batch: Sequence[Received],
    world: World,
    states: Mapping[FactKey, FactState],
    deliveries: Iterable[Delivery],
) -> Plan:
    """Plan a batch of one district; `states` and `deliveries` are those of the facts it touches."""
    known, ledger = dict(states), Ledger(deliveries, states)
    decisions: dict[int, Decision] = {}
    planned: list[PlannedDelivery] = []
    for index in sorted(range(len(batch)), key=lambda index: batch[index].change.occur_time):
        received = batch[index]
        change = received.change
        folded = fold(change, received.receive_time, known)
        baselines = ledger.baselines(folded.update)
        decision, tellings = decide_all(change, received.moment, folded.update, world, baselines)
        for key in folded.changed_keys:
            ledger.supersede(key, change.key, _superseded(change, folded.update, world))
        known.update(folded.states)
        decisions[index] = decision
        lifted = lifts(folded.update, baselines)
        new = _New(index, received, folded.update, world, tellings, lifted)
        fresh = new.deliveries(decision)
        ledger.plan(folded.update, fresh)
        planned.extend(fresh)
    touched = {key: state for key, state in sorted(known.items()) if states.get(key) != state}
    return Plan(
        decisions=[decisions[index] for index in range(len(batch))],
        states=touched,
        deliveries=planned,
        superseded=ledger.superseded,
    )


def _superseded(change: Change, update: FactUpdate, world: World) -> Superseded:
    """Return which of a changed fact's waiting deliveries the change supersedes.

    Of a lunch account those to the people of its students that tell another balance: whoever may
    see only a sibling whom the change does not name is told of the account by no other change.
    """
    if not change.payload.of_account:
        return everything
    people = {
        user_id
        for student_id in change.student_ids
        if (student := world.students.get(student_id)) is not None
        for user_id in (
            student_id,
            *(relationship.guardian.user_id for relationship in student.relationships),
        )
    }
    return lambda waiting: waiting.user_id in people and waiting.told.current != update.current


@dataclass(slots=True)
class _New:
    """Makes the deliveries of one change."""

    index: int
    received: Received
    update: FactUpdate
    world: World
    tellings: Tellings
    lifted: bool

    def deliveries(self, decision: Decision) -> list[PlannedDelivery]:
        hold = self.world.district.settings_of(self.received.change.kind).hold
        return [self._delivery(recipient, device, hold) for recipient, device in decision.told()]

    def _delivery(
        self, recipient: RecipientDecision, device: DeviceDecision, hold: dt.timedelta
    ) -> PlannedDelivery:
        own = (self.received.change.student_id,)
        telling = self.tellings.get(device.device_id) or Telling(own, recipient.app)
        student_id, *shared = telling.student_ids
        return PlannedDelivery(
            index=self.index,
            device_id=device.device_id,
            user_id=recipient.user_id,
            student_id=student_id,
            app=telling.app,
            fact_key=self.update.key,
            other_key=self.update.other_key,
            told=Told(device.previous, self.update.current, tuple(shared)),
            correction=device.correction,
            lifted=self.lifted,
            hold=hold,
        )
