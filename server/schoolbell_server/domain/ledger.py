"""The deliveries of every fact while a batch is folded: what waits, and what was told."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.fact import (
    Baseline,
    FactKey,
    FactState,
    FactUpdate,
    Previous,
    Told,
)
from schoolbell_server.domain.kinds import AppType

_NOBODY: frozenset[str] = frozenset()


@dataclass(slots=True, kw_only=True)
class PlannedDelivery:
    """A delivery to be written; superseded already where a later change of the batch did so."""

    index: int
    """Of its change in the batch."""
    device_id: str
    user_id: str
    student_id: str
    """The first of the change's students whom its user may see."""
    app: AppType
    fact_key: FactKey
    other_key: FactKey | None
    told: Told
    correction: bool
    lifted: bool
    """Its change lifts an attendance mark, and so lives for the day on which it is made."""
    hold: dt.timedelta
    superseded_by: ChangeKey | None = None


Waiting = Delivery | PlannedDelivery
Superseded = Callable[[Waiting], bool]
"""Whether a change of its fact supersedes a waiting delivery."""


def everything(_waiting: Waiting) -> bool:
    """Supersede whatever waits."""
    return True


class Ledger:
    """Follows the deliveries of the facts that a batch touches."""

    def __init__(self, deliveries: Iterable[Delivery], states: Mapping[FactKey, FactState]) -> None:
        self.superseded: dict[str, ChangeKey] = {}
        """The existing deliveries that are cancelled, by id, with the change that did it."""
        self._unsent: dict[FactKey, list[Waiting]] = defaultdict(list)
        """Oldest first; emptied by what supersedes them."""
        self._seen: dict[FactKey, set[str]] = defaultdict(set)
        """The devices that may have been told."""
        self._telling: dict[FactKey, set[str]] = defaultdict(set)
        """The devices that were, or are going to be, told of the value that a fact has."""
        for delivery in deliveries:
            self._enter(delivery, states.get(delivery.fact_key))

    def _enter(self, delivery: Delivery, state: FactState | None) -> None:
        """Take in a delivery that exists already."""
        key = delivery.fact_key
        if delivery.untouched:
            self._unsent[key].append(delivery)
        if delivery.seen:
            self._seen[key].add(delivery.device_id)
        if state is None or delivery.create_time < state.set_time:
            return
        if (delivery.untouched or delivery.seen) and delivery.told.current == state.value:
            self._telling[key].add(delivery.device_id)

    def plan(self, update: FactUpdate, fresh: Sequence[PlannedDelivery]) -> None:
        """Take in the deliveries of a change, once what they supersede is out."""
        self._unsent[update.key].extend(fresh)
        if update.value_time is None:
            self._telling[update.key].clear()
        self._telling[update.key].update(delivery.device_id for delivery in fresh)

    def supersede(self, fact_key: FactKey, by: ChangeKey, chosen: Superseded = everything) -> None:
        """Cancel the deliveries of a fact that are not sent yet, as far as they are chosen."""
        kept: list[Waiting] = []
        for delivery in self._unsent.pop(fact_key, ()):
            if not chosen(delivery):
                kept.append(delivery)
            elif isinstance(delivery, PlannedDelivery):
                delivery.superseded_by = by
            else:
                self.superseded[delivery.delivery_id] = by
        if kept:
            self._unsent[fact_key] = kept

    def baselines(self, update: FactUpdate) -> dict[str, Baseline]:
        """Return each device's baseline: that of its oldest delivery which has not left.

        A change that leaves the value as it was cancels nothing and is judged against the value;
        of a lunch account, by those alone who were told of it.
        """
        if update.by_student:
            return self._account_baselines(update)
        unsent: dict[str, Previous] = {}
        for delivery in self._unsent.get(update.key, ()) if update.changed else ():
            unsent.setdefault(delivery.device_id, delivery.told.previous)
        seen: Set[str] = self._seen.get(update.key, _NOBODY)
        return {
            device_id: Baseline(
                previous=unsent.get(device_id, update.previous), attempted=device_id in seen
            )
            for device_id in unsent.keys() | seen
        }

    def _account_baselines(self, update: FactUpdate) -> dict[str, Baseline]:
        """Return the baselines of a lunch account; what was told counts for every sibling."""
        baselines: dict[str, Baseline] = {}
        for delivery in self._unsent.get(update.key, ()):
            baselines.setdefault(delivery.device_id, Baseline(previous=delivery.told.previous))
        if update.value_time is not None:
            told = Previous(value=update.current, set_time=update.value_time)
            for device_id in self._telling.get(update.key, _NOBODY):
                baselines[device_id] = Baseline(previous=told)
        return baselines


def baselines_of(
    update: FactUpdate,
    deliveries: Iterable[Delivery],
    states: Mapping[FactKey, FactState],
) -> dict[str, Baseline]:
    """Return the baselines of the devices that were, or were going to be, told of a fact."""
    return Ledger(deliveries, states).baselines(update)
