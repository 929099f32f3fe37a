"""What one change does to the facts that it touches.

Values are ordered by occur time, then by arrival. An older change leaves a fact as it is; every
other one updates it, whether or not anybody is told.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

from schoolbell_server.domain.attendance import is_lifted, standing_mark, value_of
from schoolbell_server.domain.balances import fold_balance
from schoolbell_server.domain.change import (
    AssignmentChange,
    AttendanceChange,
    Change,
    GradeChange,
    LunchBalanceChange,
    ResponsiveScheduleChange,
)
from schoolbell_server.domain.fact import (
    AssignedValue,
    DueDateValue,
    FactKey,
    FactUpdate,
    GradeValue,
    Previous,
    ScheduleValue,
    ScoreValue,
    Value,
)
from schoolbell_server.domain.fact_keys import fact_key, other_keys
from schoolbell_server.domain.fact_state import FactState, Mark, Setter
from schoolbell_server.domain.folded import Folded, States, older, restate, setter_of
from schoolbell_server.domain.kinds import AssignmentAction, ResponsiveScheduleAction

_WITHOUT_SCORE = frozenset({AssignmentAction.ASSIGNED, AssignmentAction.WITHDRAWN})


def fold(change: Change, receive_time: dt.datetime, states: States) -> Folded:
    """Fold one change into the states that are known; those it lacks are unknown."""
    if isinstance(change.payload, AttendanceChange):
        return _fold_mark(change, change.payload, receive_time, states)
    if isinstance(change.payload, LunchBalanceChange):
        return fold_balance(change, change.payload, receive_time, states)
    key, current, setter = fact_key(change), _value(change), setter_of(change)
    state = _completed(states.get(key), change, current)
    others = _fold_others(change, receive_time, states)
    differing = tuple(name for name, new in others.items() if _differs(states.get(name), new))
    if state is not None and change.occur_time < state.occur_time:
        update = older(key, state, state.occur_time)
        return Folded(update=update, states=others, changed_keys=differing)
    previous = _previous(change, state)
    changed = previous.value != current or bool(differing)
    nothing_to_clear = previous.value is None and current is None
    update = FactUpdate(
        key=key,
        other_key=_moved_from(change),
        previous=previous,
        current=current,
        known_time=None if state is None else state.occur_time,
        changed=changed,
        same_setter=nothing_to_clear or (state is not None and state.setter == setter),
    )
    new = {key: restate(change, receive_time, state, current, setter)} | others
    return Folded(
        update=update,
        states=new,
        changed_keys=tuple(new) if changed else (),
    )


def _completed(state: FactState | None, change: Change, current: Value | None) -> FactState | None:
    """Return what is known of a score with the percentage that the change derives of its points.

    Without it, a score in points that was stored when `points_possible` was not published, or not
    looked at, would be news when it is published again as it was.
    """
    if state is None or not isinstance(state.value, ScoreValue) or state.value.percent is not None:
        return state
    derived = isinstance(change.payload, AssignmentChange) and change.payload.score_percent is None
    if derived and isinstance(current, ScoreValue) and state.value.points == current.points:
        return replace(state, value=replace(state.value, percent=current.percent))
    return state


def _value(change: Change) -> Value | None:
    """Return what a change says; None where it says that there is no value any more."""
    match change.payload:
        case AssignmentChange(action=AssignmentAction.ASSIGNED | AssignmentAction.WITHDRAWN) as one:
            return AssignedValue(one.action is AssignmentAction.WITHDRAWN)
        case AssignmentChange(action=AssignmentAction.DUE_DATE_MOVED) as one:
            return DueDateValue(one.due_date)
        case AssignmentChange(action=AssignmentAction.CLEARED):
            return None
        case AssignmentChange() as one:
            missing = one.action is AssignmentAction.MISSING
            return ScoreValue(one.percent, one.points, missing, one.mark)
        case GradeChange() as one:
            return GradeValue(one.percent, one.mark)
        case ResponsiveScheduleChange(action=ResponsiveScheduleAction.REMOVED):
            return ScheduleValue(removed=True)
        case ResponsiveScheduleChange() as one:
            return ScheduleValue(one.offering_name, one.location)
    raise TypeError(f"{type(change.payload).__name__} is folded elsewhere")


def _previous(change: Change, state: FactState | None) -> Previous:
    if state is not None and state.value is not None:
        return Previous(value=state.value, set_time=state.set_time)
    said = _said_before(change)
    return Previous() if said is None else Previous(value=said, from_publisher=True)


def _said_before(change: Change) -> Value | None:
    """Return the value before the change as its publisher gives it.

    The publisher gives only a number or a date: where it is the present one, nothing changed.
    """
    match change.payload:
        case AssignmentChange(action=AssignmentAction.DUE_DATE_MOVED, previous_due_date=due):
            return None if due is None else DueDateValue(due)
        case AssignmentChange(previous_score_percent=percent) as one if percent is not None:
            if one.action in _WITHOUT_SCORE:
                return None
            current = _value(change)
            same = isinstance(current, ScoreValue) and not current.missing
            return current if same and one.percent == percent else ScoreValue(percent)
        case GradeChange(previous_percent=percent) as one if percent is not None:
            return GradeValue(percent, one.mark if percent == one.percent else "")
    return None


def _moved_from(change: Change) -> FactKey | None:
    if isinstance(change.payload, ResponsiveScheduleChange):
        return next(iter(other_keys(change)), None)
    return None


def _fold_others(
    change: Change, receive_time: dt.datetime, states: States
) -> dict[FactKey, FactState]:
    """Return the other facts' states: a move empties its old place, a withdrawal forgets.

    Each is older or newer by itself: what arrives late may still be the last word of one of them.
    """
    gone = ScheduleValue(removed=True) if _moved_from(change) else None
    setter = setter_of(change)
    return {
        key: restate(change, receive_time, state, gone, setter)
        for key, state in ((key, states.get(key)) for key in other_keys(change))
        if state is None or change.occur_time >= state.occur_time
    }


def _differs(before: FactState | None, after: FactState) -> bool:
    return (None if before is None else before.value) != after.value


def _fold_mark(
    change: Change, payload: AttendanceChange, receive_time: dt.datetime, states: States
) -> Folded:
    key, setter = fact_key(change), setter_of(change)
    state = states.get(key)
    marks = {} if state is None else {mark.setter: mark for mark in state.marks}
    own = marks.get(setter)
    if state is not None and own is not None and change.occur_time < own.occur_time:
        return Folded(update=older(key, state, own.occur_time))
    marks[setter] = Mark(
        setter=setter,
        status=payload.status,
        excuse=payload.excuse,
        occur_time=change.occur_time,
    )
    standing = standing_mark(marks.values())
    before, after = None if state is None else state.value, value_of(standing)
    changed = before != after
    update = FactUpdate(
        key=key,
        previous=_previous(change, state),
        current=after,
        known_time=None if own is None else own.occur_time,
        changed=changed,
        same_setter=own is not None
        and (own.status, own.excuse) == (payload.status, payload.excuse),
        lifted=is_lifted(before, after),
    )
    return Folded(
        update=update,
        states={key: _marked(state, marks, change, receive_time, after)},
        changed_keys=(key,) if changed else (),
    )


def _marked(
    state: FactState | None,
    marks: Mapping[Setter, Mark],
    change: Change,
    receive_time: dt.datetime,
    value: Value,
) -> FactState:
    restated = restate(change, receive_time, state, value, setter_of(change))
    latest = max(mark.occur_time for mark in marks.values())
    return replace(restated, occur_time=latest, marks=tuple(marks.values()))
