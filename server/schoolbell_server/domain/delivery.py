"""The state machine of a delivery: what an attempt, a receipt or a person makes of it.

Rank never falls, but for a replay: what a phone has displayed is never merely accepted again.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from schoolbell_server.domain.kinds import DeliveryState, HoldCause, Outcome

UNSENT = frozenset({DeliveryState.PENDING, DeliveryState.HELD})
"""Waiting for an attempt: what can be leased, cancelled and expired."""

_NEVER = frozenset({Outcome.TOKEN_DEAD, Outcome.TOKEN_OF_ANOTHER_APP, Outcome.PAYLOAD_BAD})
_FREE = frozenset({Outcome.CREDENTIAL_BAD})
"""Outcomes that are no attempt: no phone can have seen it, and it waits until the app's circuit
closes."""
_FREE_TRIAL = frozenset({Outcome.NOT_SENT, Outcome.PROVIDER_DOWN})
"""Nor are these, where an open circuit let it through to find out."""
_RECEIPT_RANK = {DeliveryState.DISPLAYED: 1, DeliveryState.OPENED: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a delivery stands, as far as its state machine cares."""

    state: DeliveryState
    due_time: dt.datetime
    expire_time: dt.datetime
    attempt_count: int = 0
    budget_start: int = 0
    """The attempt count at the last replay: the budget counts from it."""
    answer_lost: bool = False
    """The phone may have shown it although no answer says so."""
    hold_cause: HoldCause | None = None
    """Why it waits; says nothing unless it is HELD."""
    cancel_asked: bool = False
    """A cancel came during an attempt and waits for its outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """One attempt's end."""

    outcome: Outcome
    retry_time: dt.datetime
    """When to try again, if that is to be."""
    budget: int
    """How many attempts a delivery has."""
    trial: bool = False
    """An open circuit let it through."""


def is_free(outcome: Outcome, *, trial: bool) -> bool:
    """Return whether an outcome is no attempt, so that the next one has the same number."""
    return outcome in _FREE or (trial and outcome in _FREE_TRIAL)


def after_attempt(progress: Progress, attempt: Attempted) -> Progress:
    """Return where a leased delivery stands once its attempt has ended."""
    free = is_free(attempt.outcome, trial=attempt.trial)
    counted = replace(
        progress,
        attempt_count=progress.attempt_count + (not free),
        answer_lost=progress.answer_lost or attempt.outcome is Outcome.ANSWER_LOST,
    )
    if progress.state not in UNSENT:
        return counted
    if attempt.outcome is Outcome.ACCEPTED:
        return replace(counted, state=DeliveryState.ACCEPTED)
    if attempt.outcome in _NEVER:
        return replace(counted, state=DeliveryState.REJECTED)
    return _again(counted, attempt, DeliveryState.HELD if free else DeliveryState.PENDING)


def _again(counted: Progress, attempt: Attempted, waiting: DeliveryState) -> Progress:
    if counted.cancel_asked:
        return replace(counted, state=DeliveryState.CANCELLED)
    if counted.attempt_count - counted.budget_start >= attempt.budget:
        spent = DeliveryState.UNCERTAIN if counted.answer_lost else DeliveryState.FAILED
        return replace(counted, state=spent)
    if attempt.retry_time >= counted.expire_time:
        return expire(counted)
    return replace(
        counted, state=waiting, due_time=attempt.retry_time, hold_cause=HoldCause.CIRCUIT
    )


def hold(progress: Progress, due_time: dt.datetime) -> Progress:
    """Return where a delivery stands that an open circuit keeps: it spends no attempt."""
    if progress.state not in UNSENT:
        return progress
    if progress.cancel_asked:
        return replace(progress, state=DeliveryState.CANCELLED)
    return replace(
        progress, state=DeliveryState.HELD, due_time=due_time, hold_cause=HoldCause.CIRCUIT
    )


def expire(progress: Progress) -> Progress:
    """Return where an unsent delivery stands once its time is over."""
    if progress.cancel_asked:
        return replace(progress, state=DeliveryState.CANCELLED)
    over = DeliveryState.UNCERTAIN if progress.answer_lost else DeliveryState.EXPIRED
    return replace(progress, state=over)


def cancel(progress: Progress, *, leased: bool) -> Progress | None:
    """Return where a delivery stands once somebody cancelled it; None if it is too late.

    During an attempt the cancel waits for the outcome.
    """
    if progress.state not in UNSENT:
        return None
    if leased:
        return replace(progress, cancel_asked=True)
    return replace(progress, state=DeliveryState.CANCELLED)


def after_receipt(progress: Progress, receipt: DeliveryState, *, leased: bool) -> Progress | None:
    """Return where a delivery stands after DISPLAYED or OPENED; None if that is no news.

    Any delivery with an attempt (a lease counts as one, also a dead server's) can have been shown.
    """
    if progress.attempt_count == 0 and not progress.answer_lost and not leased:
        return None
    if _RECEIPT_RANK[receipt] <= _RECEIPT_RANK.get(progress.state, 0):
        return None
    return replace(progress, state=receipt)


def replay(progress: Progress, now: dt.datetime, *, uncertain: bool) -> Progress | None:
    """Return a dead letter to the queue with fresh attempts; None where it may not be.

    UNCERTAIN ones, which a phone may have shown, only if asked for by name.
    """
    dead = {DeliveryState.FAILED} | ({DeliveryState.UNCERTAIN} if uncertain else set())
    if progress.state not in dead or progress.expire_time <= now:
        return None
    return replace(
        progress,
        state=DeliveryState.PENDING,
        due_time=now,
        budget_start=progress.attempt_count,
        cancel_asked=False,
    )
