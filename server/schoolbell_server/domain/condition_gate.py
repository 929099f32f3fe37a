"""Gate 13: the whole condition of a subscription.

No condition is every change; but what is told only when named (a withdrawal, a cleared score, a
PRESENT or CLEARED mark) still has to be named.
"""

from __future__ import annotations

from schoolbell_server.domain.cases import DeviceCase
from schoolbell_server.domain.condition import LimitCondition, known_number, limit_refusal
from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.fact import is_lifted
from schoolbell_server.domain.gate import EntityKind, GateCheck, Seeable, SeenFact, seen
from schoolbell_server.domain.kinds import Gate, SubscriptionLevel


def is_correction(case: DeviceCase) -> bool:
    """Return whether a mark that this device was told of is lifted.

    Judged against the device's own baseline: a lifting that is still waiting unsent when the
    next mark replaces it must not leave the family with the mark that was lifted.
    """
    before, after = case.baseline.previous.value, case.recipient.case.update.current
    return case.baseline.attempted and is_lifted(before, after)


def _refuse_condition(case: DeviceCase) -> Refusal | None:
    if is_correction(case):
        return None
    subscription, current = case.subscription, case.recipient.case.update.current
    payload = case.recipient.case.change.payload
    condition = None if subscription is None else subscription.condition
    refusal = payload.refuse(condition, current)
    if refusal is not None or subscription is None or type(condition) is not payload.condition:
        return refusal
    if not isinstance(condition, LimitCondition):
        return None
    below = condition.below
    if below is None or payload.limit_ignored(current):
        return None
    number = None if current is None else current.number
    known = known_number(case.baseline.previous, subscription.limit_time)
    return limit_refusal(below, condition.limit_trigger, number, known)


def see_subscription(case: DeviceCase, **values: Seeable) -> tuple[SeenFact, ...]:
    """Return values of the choice that holds, as seen where it is stored."""
    if case.level is SubscriptionLevel.PERSON:
        return seen(EntityKind.PERSON_SUBSCRIPTION, case.recipient.user.user_id, **values)
    return seen(EntityKind.SUBSCRIPTION, case.device.device_id, **values)


def _see_condition(case: DeviceCase) -> tuple[SeenFact, ...]:
    if case.subscription is None:
        return ()
    update, condition = case.recipient.case.update, case.subscription.condition
    since = case.subscription.limit_time
    chosen = {} if condition is None else condition.seen()
    return (
        *see_subscription(case, **{**chosen, "limit_time": since}),
        *seen(
            EntityKind.FACT,
            update.key,
            number=None if update.current is None else update.current.number,
            known_number=known_number(case.baseline.previous, since),
            correction=is_correction(case),
        ),
    )


def _has_subscription(case: DeviceCase) -> bool:
    return case.subscription is not None


CONDITION = GateCheck(Gate.CONDITION, _refuse_condition, _see_condition, _has_subscription)
