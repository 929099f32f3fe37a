"""What a change of a lunch account does to what is known of it.

An account is one fact, however many siblings share it: its newest value supersedes what has not
left. Beside it stands, for each student, what was last said of the account for that student: a
publisher may send a shared balance once for each of them, and the second change is news to those
who may see the second student only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace

from schoolbell_server.domain.change import Change, LunchBalanceChange
from schoolbell_server.domain.fact import BalanceValue, FactKey, FactUpdate, Previous
from schoolbell_server.domain.fact_keys import balance_key, fact_key
from schoolbell_server.domain.fact_state import FactState
from schoolbell_server.domain.folded import Folded, States, older, restate, setter_of

_MOST_SHARING = 100
"""Students of one account that are remembered."""


def fold_balance(
    change: Change, payload: LunchBalanceChange, receive_time: dt.datetime, states: States
) -> Folded:
    """Fold a balance into the states of its account."""
    key, current, setter = fact_key(change), BalanceValue(payload.balance), setter_of(change)
    keys = {student: balance_key(student, payload.account_id) for student in change.student_ids}
    account = states.get(key)
    heard = {student: states.get(name) for student, name in keys.items()}
    if account is not None and _is_older(change, account, current, heard.values()):
        return Folded(update=older(key, account, account.occur_time))
    updates = {
        student: _update(change, payload, key, account, state) for student, state in heard.items()
    }
    new = {
        keys[student]: restate(change, receive_time, state, current, setter)
        for student, state in heard.items()
        if state is None or change.occur_time >= state.occur_time
    }
    sharing = _sharing(account, change)
    new[key] = replace(restate(change, receive_time, account, current, setter), students=sharing)
    stays = account is not None and account.value == current
    update = replace(
        updates[change.student_id],
        value_time=account.set_time if stays and account is not None else None,
        by_student=updates,
    )
    news = any(one.changed for one in updates.values())
    return Folded(update=update, states=new, changed_keys=tuple(new) if news else ())


def _sharing(account: FactState | None, change: Change) -> tuple[str, ...]:
    """Return who shares an account: those whom changes named, of many those named last."""
    before = () if account is None else account.students
    others = [student for student in before if student not in change.student_ids]
    return (*others, *change.student_ids)[-_MOST_SHARING:]


def _is_older(
    change: Change, account: FactState, current: BalanceValue, heard: Iterable[FactState | None]
) -> bool:
    """Return whether a change is older than what is known.

    One that says what is known, for a student of whom it was not said yet, is not.
    """
    if change.occur_time >= account.occur_time:
        return False
    said = all(state is not None and change.occur_time < state.occur_time for state in heard)
    return said or account.value != current


def _update(
    change: Change,
    payload: LunchBalanceChange,
    key: FactKey,
    account: FactState | None,
    state: FactState | None,
) -> FactUpdate:
    """Return what the change does to what was said of the account for one student."""
    previous = _previous(payload, account, state)
    current = BalanceValue(payload.balance)
    return FactUpdate(
        key=key,
        previous=previous,
        current=current,
        known_time=None if account is None else account.occur_time,
        changed=previous.value != current,
        same_setter=state is not None and state.setter == setter_of(change),
    )


def _previous(
    payload: LunchBalanceChange, account: FactState | None, state: FactState | None
) -> Previous:
    """Return the balance before: another one that was said for the student, or of the account.

    Where neither is another, nothing changed for a student of whom the balance was said; of the
    others the publisher knows what was before.
    """
    for known in (state, account):
        if known is not None and known.value not in (None, BalanceValue(payload.balance)):
            return Previous(value=known.value, set_time=known.set_time)
    if state is not None and state.value is not None:
        return Previous(value=state.value, set_time=state.set_time)
    if payload.previous_balance is None:
        return Previous()
    return Previous(value=BalanceValue(payload.previous_balance), from_publisher=True)
