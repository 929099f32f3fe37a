"""Limits: a value fires as it falls below, or at every changed value below, by choice.

Exactly at the limit is not below it.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.fact import BalanceValue, GradeValue, Previous, ScoreValue, Value
from schoolbell_server.domain.gate import text_of
from schoolbell_server.domain.kinds import Gate, LimitTrigger, RefusalReason


def number_of(value: Value | None) -> Decimal | None:
    """Return the number that limits look at, if the value has one."""
    if isinstance(value, ScoreValue | GradeValue):
        return value.percent
    return value.balance if isinstance(value, BalanceValue) else None


def known_number(previous: Previous, since: dt.datetime | None) -> Decimal | None:
    """Return the number before the change, where it counts for a limit in force since a time."""
    set_time = previous.set_time
    if since is not None and set_time is not None and set_time < since:
        return None
    return number_of(previous.value)


def limit_refusal(
    below: Decimal, limit_trigger: LimitTrigger, number: Decimal | None, known: Decimal | None
) -> Refusal | None:
    """Refuse a number that is not below the limit, or that was below it already."""
    if number is None:
        return Refusal(Gate.CONDITION, RefusalReason.NO_NUMBER)
    if number >= below:
        return Refusal(Gate.CONDITION, RefusalReason.NOT_BELOW_LIMIT, text_of(number))
    if limit_trigger is LimitTrigger.WHILE_BELOW or known is None or known >= below:
        return None
    return Refusal(Gate.CONDITION, RefusalReason.NOT_CROSSING, text_of(known))
