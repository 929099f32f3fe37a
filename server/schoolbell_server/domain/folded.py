"""The effect of one change on facts, and what every fold needs to make it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from schoolbell_server.domain.change import Change
from schoolbell_server.domain.fact import FactKey, FactUpdate, Previous, Value
from schoolbell_server.domain.fact_state import FactState, Setter

States = Mapping[FactKey, FactState]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A change's effect: how it is to be judged, and what is to be stored."""

    update: FactUpdate
    states: Mapping[FactKey, FactState] = field(default_factory=dict)
    """The new states of the facts that it speaks of."""
    changed_keys: tuple[FactKey, ...] = ()
    """The facts whose value is another now: what has not left for them is superseded."""


def setter_of(change: Change) -> Setter:
    """Return who says what a change says."""
    return Setter(change.key.source, getattr(change.payload, "section_id", ""))


def older(key: FactKey, state: FactState, known_time: dt.datetime) -> FactUpdate:
    """Return the update of a change that is older than what is known."""
    return FactUpdate(
        key=key,
        previous=Previous(value=state.value, set_time=state.set_time),
        current=state.value,
        older=True,
        known_time=known_time,
        changed=False,
    )


def restate(
    change: Change,
    receive_time: dt.datetime,
    state: FactState | None,
    value: Value | None,
    setter: Setter,
) -> FactState:
    """Return the state after a change; a value that stays keeps who set it, and when."""
    if state is not None and state.value == value:
        return replace(state, occur_time=max(state.occur_time, change.occur_time))
    return FactState(
        value=value, occur_time=change.occur_time, set_time=receive_time, setter=setter
    )
