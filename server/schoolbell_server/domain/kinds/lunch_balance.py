"""Lunch balances: what is left on an account that siblings may share.

An account is one fact, however many siblings share it: its newest value supersedes what has not
left. Beside it stands, for each student, what was last said of the account for that student: a
publisher may send a shared balance once for each of them, and the second change is news to those
who may see the second student only.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Self

from schoolbell_server.domain.change import Change, Payload
from schoolbell_server.domain.condition import LimitCondition
from schoolbell_server.domain.fact import (
    FactKey,
    FactState,
    FactUpdate,
    Folded,
    Previous,
    States,
    Value,
)
from schoolbell_server.domain.fact_keys import key_range, make_key
from schoolbell_server.domain.fold import older, previous_of, restate, setter_of
from schoolbell_server.domain.kinds import Kind
from schoolbell_server.domain.lanes import Lane
from schoolbell_server.domain.wording import Money, Variables

_WORD = "lunch"
_MOST_SHARING = 100
"""Students of one account that are remembered."""


@dataclass(frozen=True, slots=True)
class BalanceValue(Value):
    """What is left on a lunch account, in the district's currency."""

    tag = "balance"
    balance: Decimal

    def text(self) -> str:
        """Return it in a few words."""
        return f"{self.balance:f}"

    @property
    def number(self) -> Decimal | None:
        """Return the balance."""
        return self.balance


@dataclass(frozen=True, slots=True, kw_only=True)
class LunchBalanceCondition(LimitCondition):
    """Which balances are wanted."""

    arm = "lunch"
    limit_field = "below_balance"
    below_balance: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LunchBalanceChange(Payload):
    """The balance of a lunch account changed."""

    kind = Kind.LUNCH_BALANCE
    word = _WORD
    lane = Lane.LUNCH
    values = (BalanceValue,)
    condition = LunchBalanceCondition
    in_terms = False
    of_account = True
    opens = ("account_id",)

    account_id: str
    balance: Decimal
    previous_balance: Decimal | None = None
    shared_student_ids: tuple[str, ...] = ()
    """The students who share the account beside the change's own."""

    @classmethod
    def probe(cls, today: dt.date) -> Self:
        """Return what could happen today."""
        return cls(account_id="offer", balance=Decimal(0))

    def alone(self) -> Payload:
        """Return it as if nobody shared the account."""
        return replace(self, shared_student_ids=())

    def fact_key(self, change: Change) -> FactKey:
        """Return the fact of the account."""
        return make_key(_WORD, self.account_id)

    def other_keys(self, change: Change) -> tuple[FactKey, ...]:
        """Return what was said of the account for each student who shares it."""
        return tuple(balance_key(student, self.account_id) for student in change.student_ids)

    def fold(self, change: Change, receive_time: dt.datetime, states: States) -> Folded:
        """Fold a balance into the states of its account."""
        key, current, setter = self.fact_key(change), BalanceValue(self.balance), setter_of(change)
        keys = {student: balance_key(student, self.account_id) for student in change.student_ids}
        account = states.get(key)
        heard = {student: states.get(name) for student, name in keys.items()}
        if account is not None and _is_older(change, account, current, heard.values()):
            return Folded(update=older(key, account, account.occur_time))
        updates = {
            student: self._update(change, key, account, state) for student, state in heard.items()
        }
        new = {
            keys[student]: restate(change, receive_time, state, current, setter)
            for student, state in heard.items()
            if state is None or change.occur_time >= state.occur_time
        }
        restated = restate(change, receive_time, account, current, setter)
        new[key] = replace(restated, students=_sharing(account, change))
        stays = account is not None and account.value == current
        update = replace(
            updates[change.student_id],
            value_time=account.set_time if stays and account is not None else None,
            by_student=updates,
        )
        news = any(one.changed for one in updates.values())
        return Folded(update=update, states=new, changed_keys=tuple(new) if news else ())

    def _update(
        self, change: Change, key: FactKey, account: FactState | None, state: FactState | None
    ) -> FactUpdate:
        """Return what the change does to what was said of the account for one student."""
        current = BalanceValue(self.balance)
        previous = self._previous(current, account, state)
        return FactUpdate(
            key=key,
            previous=previous,
            current=current,
            known_time=None if account is None else account.occur_time,
            changed=previous.value != current,
            same_setter=state is not None and state.setter == setter_of(change),
        )

    def _previous(
        self, current: BalanceValue, account: FactState | None, state: FactState | None
    ) -> Previous:
        """Return the balance before: another one that was said for the student, or of the account.

        Where neither is another, nothing changed for a student of whom the balance was said; of
        the others the publisher knows what was before.
        """
        for known in (state, account):
            if known is not None and known.value not in (None, current):
                return Previous(value=known.value, set_time=known.set_time)
        said = self.previous_balance
        return previous_of(state, None if said is None else BalanceValue(said))

    def message(self, *, correction: bool) -> str:
        """Return the id of the message that tells the change."""
        return "lunch-balance"

    def variables(self, clean: Callable[[str], str]) -> Variables:
        """Return what a detailed text may name."""
        return {"balance": Money(self.balance)}


def balance_key(student_id: str, account_id: str) -> FactKey:
    """Return the fact of what was last said of a lunch account for one student.

    The account's own fact names no student: siblings share it.
    """
    return make_key(_WORD, student_id, account_id)


def balance_range(student_id: str) -> tuple[FactKey, FactKey]:
    """Return the range, as `key_range` does, of what was said of accounts for a student."""
    return key_range(_WORD, student_id)


def account_key(key: FactKey) -> FactKey:
    """Return the fact of the account that a key of `balance_key` is about."""
    word, _student, account = json.loads(key)
    return make_key(word, account)


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
