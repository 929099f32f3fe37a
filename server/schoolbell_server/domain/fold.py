"""What one change does to the facts that it touches.

Values are ordered by occur time, then by arrival. An older change leaves a fact as it is; every
other one updates it, whether or not anybody is told.
"""

from __future__ import annotations

import datetime as dt
from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar

from schoolbell_server.domain.change import Change, Payload
from schoolbell_server.domain.fact import (
    FactKey,
    FactState,
    FactUpdate,
    Folded,
    Previous,
    Setter,
    States,
    Value,
)


def fold(change: Change, receive_time: dt.datetime, states: States) -> Folded:
    """Fold one change into the states that are known; those it lacks are unknown."""
    return change.payload.fold(change, receive_time, states)


class ReplacingPayload(Payload):
    """A payload that gives its fact a value of its own, whatever the fact was."""

    __slots__ = ()
    left: ClassVar[Value | None] = None
    """What it leaves at the other facts that it touches; None is that nothing is known of them."""

    @abstractmethod
    def value(self) -> Value | None:
        """Return what it says; None where it says that there is no value any more."""

    def said_before(self) -> Value | None:
        """Return the value before the change as its publisher gives it.

        The publisher gives only a number or a date: where it is the present one, nothing changed.
        """
        return None

    def moved_from(self, change: Change) -> FactKey | None:
        """Return the old place of what it moves."""
        return None

    def completed(self, known: Value, current: Value | None) -> Value:
        """Return the known value with what only this change lets it derive."""
        return known

    def fold(self, change: Change, receive_time: dt.datetime, states: States) -> Folded:
        """Fold a change into the states that are known."""
        key, current, setter = self.fact_key(change), self.value(), setter_of(change)
        state = states.get(key)
        if state is not None and state.value is not None:
            known = self.completed(state.value, current)
            state = state if known is state.value else replace(state, value=known)
        others = self._fold_others(change, receive_time, states, setter)
        differing = tuple(name for name, new in others.items() if _differs(states.get(name), new))
        if state is not None and change.occur_time < state.occur_time:
            update = older(key, state, state.occur_time)
            return Folded(update=update, states=others, changed_keys=differing)
        previous = previous_of(state, self.said_before())
        changed = previous.value != current or bool(differing)
        nothing_to_clear = previous.value is None and current is None
        update = FactUpdate(
            key=key,
            other_key=self.moved_from(change),
            previous=previous,
            current=current,
            known_time=None if state is None else state.occur_time,
            changed=changed,
            same_setter=nothing_to_clear or (state is not None and state.setter == setter),
        )
        new = {key: restate(change, receive_time, state, current, setter)} | others
        return Folded(update=update, states=new, changed_keys=tuple(new) if changed else ())

    def _fold_others(
        self, change: Change, receive_time: dt.datetime, states: States, setter: Setter
    ) -> dict[FactKey, FactState]:
        """Return the other facts' states: a move empties its old place, a withdrawal forgets.

        Each is older or newer by itself: what arrives late may still be the last word of one.
        """
        return {
            key: restate(change, receive_time, state, self.left, setter)
            for key, state in ((key, states.get(key)) for key in self.other_keys(change))
            if state is None or change.occur_time >= state.occur_time
        }


def setter_of(change: Change) -> Setter:
    """Return who says what a change says."""
    return Setter(change.key.source, getattr(change.payload, "section_id", ""))


def previous_of(state: FactState | None, said: Value | None) -> Previous:
    """Return what a fact was: as it is known, else as the publisher said."""
    if state is not None and state.value is not None:
        return Previous(value=state.value, set_time=state.set_time)
    return Previous() if said is None else Previous(value=said, from_publisher=True)


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


def _differs(before: FactState | None, after: FactState) -> bool:
    return (None if before is None else before.value) != after.value
