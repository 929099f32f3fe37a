"""The state machine of a delivery: what an attempt, a receipt or a person makes of it.

Each transition returns the delivery one revision on. Rank never falls, but for a retry: what a
phone has displayed is never merely accepted again, nor expired, nor cancelled.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.delivery import UNSENT, Attempt, Delivery, changed
from schoolbell_server.domain.kinds import CancelCause, DeliveryState, HoldCause, Outcome
from schoolbell_server.domain.principal import Principal

_NEVER = frozenset({Outcome.TOKEN_DEAD, Outcome.TOKEN_OF_ANOTHER_APP, Outcome.PAYLOAD_BAD})
_FREE = frozenset({Outcome.CREDENTIAL_BAD})
"""Outcomes that are no attempt: no phone can have seen it, and it waits until the app's circuit
closes."""
_FREE_TRIAL = frozenset({Outcome.NOT_SENT, Outcome.PROVIDER_DOWN})
"""Nor are these, where an open circuit let it through to find out."""
_RECEIPT_RANK = {DeliveryState.DISPLAYED: 1, DeliveryState.OPENED: 2}
_KEPT_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """One attempt's end."""

    attempt: Attempt
    retry_time: dt.datetime
    """When to try again, if that is to be."""
    budget: int
    """How many attempts a delivery has."""
    trial: bool = False
    """An open circuit let it through."""
    provider_message_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """Why deliveries are cancelled, and at whose call."""

    cause: CancelCause
    refusal: Refusal | None = None
    """The gate that closed, where the cause is GATE."""
    comment: str = ""
    principal: Principal | None = None
    """Who called for it, where the cause is PERSON."""

    def fields(self) -> dict[str, object]:
        """Return what it writes into a delivery."""
        return {
            "cancel_cause": self.cause,
            "cancel_gate": None if self.refusal is None else self.refusal.gate,
            "cancel_refusal": None if self.refusal is None else self.refusal.reason,
            "cancel_comment": self.comment,
            "cancel_principal": self.principal,
        }


SUPERSEDED = Cancellation(cause=CancelCause.SUPERSEDED)


def is_free(outcome: Outcome, *, trial: bool) -> bool:
    """Return whether an outcome is no attempt, so that the next one has the same number."""
    return outcome in _FREE or (trial and outcome in _FREE_TRIAL)


def after_attempt(delivery: Delivery, ended: Attempted, now: dt.datetime) -> Delivery:
    """Return what a leased delivery is once its attempt has ended."""
    outcome = ended.attempt.outcome
    free = is_free(outcome, trial=ended.trial)
    first_accepted = outcome is Outcome.ACCEPTED and delivery.accept_time is None
    counted = _revised(
        delivery,
        now,
        lease_owner="",
        attempt_count=delivery.attempt_count + (not free),
        answer_lost=delivery.answer_lost or outcome is Outcome.ANSWER_LOST,
        attempts=(*delivery.attempts, ended.attempt)[-_KEPT_ATTEMPTS:],
        provider_message_id=ended.provider_message_id or delivery.provider_message_id,
        accept_time=ended.attempt.end_time if first_accepted else delivery.accept_time,
    )
    if delivery.state not in UNSENT:
        return counted
    if outcome is Outcome.ACCEPTED:
        return changed(counted, state=DeliveryState.ACCEPTED)
    if outcome in _NEVER:
        return changed(counted, state=DeliveryState.REJECTED)
    return _again(counted, ended, DeliveryState.HELD if free else DeliveryState.PENDING)


def _again(counted: Delivery, ended: Attempted, waiting: DeliveryState) -> Delivery:
    if counted.cancel_cause is not None:
        return changed(counted, state=DeliveryState.CANCELLED)
    if counted.attempt_count - counted.budget_start >= ended.budget:
        spent = DeliveryState.UNCERTAIN if counted.answer_lost else DeliveryState.FAILED
        return changed(counted, state=spent)
    if ended.retry_time >= counted.expire_time:
        return changed(counted, state=_over(counted))
    return changed(counted, state=waiting, due_time=ended.retry_time, hold_cause=HoldCause.CIRCUIT)


def hold(
    delivery: Delivery, due_time: dt.datetime, now: dt.datetime, *, doubtful: bool = False
) -> Delivery:
    """Return what a delivery is that an open circuit keeps: it spends no attempt.

    `doubtful`: a phone may be shown it all the same.
    """
    kept = _revised(delivery, now, lease_owner="", answer_lost=delivery.answer_lost or doubtful)
    if delivery.state not in UNSENT:
        return kept
    if delivery.cancel_cause is not None:
        return changed(kept, state=DeliveryState.CANCELLED)
    return changed(kept, state=DeliveryState.HELD, due_time=due_time, hold_cause=HoldCause.CIRCUIT)


def expire(delivery: Delivery, now: dt.datetime) -> Delivery:
    """Return what a delivery is once its time is over; what has left stays what it is."""
    state = _over(delivery) if delivery.state in UNSENT else delivery.state
    return _revised(delivery, now, state=state, lease_owner="")


def _over(delivery: Delivery) -> DeliveryState:
    if delivery.cancel_cause is not None:
        return DeliveryState.CANCELLED
    return DeliveryState.UNCERTAIN if delivery.answer_lost else DeliveryState.EXPIRED


def stop(delivery: Delivery, why: Cancellation, now: dt.datetime) -> Delivery:
    """Return what a delivery is that its sender, or a newer change, cancels at once."""
    if delivery.state not in UNSENT:
        return _revised(delivery, now, lease_owner="")
    return _revised(delivery, now, state=DeliveryState.CANCELLED, lease_owner="", **why.fields())


def cancel(delivery: Delivery, why: Cancellation, now: dt.datetime) -> Delivery | None:
    """Return what a delivery is once somebody cancelled it; None if that is too late, or no news.

    During an attempt the cancel waits for the outcome.
    """
    if delivery.state not in UNSENT or delivery.cancel_cause is not None:
        return None
    if delivery.lease_owner:
        return _revised(delivery, now, **why.fields())
    return stop(delivery, why, now)


def after_receipt(
    delivery: Delivery, receipt: DeliveryState, time: dt.datetime, now: dt.datetime
) -> Delivery | None:
    """Return a delivery that was DISPLAYED or OPENED at a time; None if that is no news.

    Any delivery with an attempt can have been shown.
    """
    if not delivery.attempted:
        return None
    if _RECEIPT_RANK[receipt] <= _RECEIPT_RANK.get(delivery.state, 0):
        return None
    if receipt is DeliveryState.DISPLAYED:
        return _revised(delivery, now, state=receipt, display_time=time)
    displayed = delivery.display_time or time
    return _revised(delivery, now, state=receipt, display_time=displayed, open_time=time)


def retry(delivery: Delivery, now: dt.datetime, *, uncertain: bool) -> Delivery | None:
    """Return a dead letter to the queue with fresh attempts; None where it may not be.

    UNCERTAIN ones, which a phone may have shown, only if asked for by name.
    """
    dead = {DeliveryState.FAILED} | ({DeliveryState.UNCERTAIN} if uncertain else set())
    if delivery.state not in dead or delivery.expire_time <= now:
        return None
    return _revised(
        delivery,
        now,
        state=DeliveryState.PENDING,
        due_time=now,
        budget_start=delivery.attempt_count,
        cancel_cause=None,
        cancel_gate=None,
        cancel_refusal=None,
    )


def bring_forward(delivery: Delivery, now: dt.datetime) -> Delivery:
    """Return a delivery that waits as long from now as it was to wait from when it was written."""
    return _revised(delivery, now, due_time=delivery.due_time - (delivery.update_time - now))


def _revised(delivery: Delivery, now: dt.datetime, **fields: object) -> Delivery:
    return changed(delivery, revision=delivery.revision + 1, update_time=now, **fields)
