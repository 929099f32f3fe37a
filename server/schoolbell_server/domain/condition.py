"""Conditions: which changes of a kind a subscription wants, by name or by a limit.

A value fires as it falls below a limit, or at every changed value below, by choice. Exactly at
the limit is not below it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import ClassVar

from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.fact import Previous
from schoolbell_server.domain.gate import Seeable, names_of, text_of
from schoolbell_server.domain.kinds import Gate, LimitTrigger, RefusalReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Which changes of a kind are wanted; the condition of each kind stands in its module."""

    arm: ClassVar[str]
    """How it is named where it is stored."""
    choices: ClassVar[Mapping[str, type[IntEnum]]] = {}
    """Its fields that are sets of members, and of what."""

    def seen(self) -> dict[str, Seeable]:
        """Return what is chosen, as an explanation names it."""
        return {name: names_of(getattr(self, name)) for name in self.choices}


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitCondition(Condition):
    """Which values are wanted: those below `limit_field`, if it is not None."""

    limit_field: ClassVar[str]
    limit_trigger: LimitTrigger = LimitTrigger.ON_CROSSING

    @property
    def below(self) -> Decimal | None:
        """Return the limit."""
        limit: Decimal | None = getattr(self, self.limit_field)
        return limit

    def seen(self) -> dict[str, Seeable]:
        """Return what is chosen, as an explanation names it."""
        chosen = Condition.seen(self)
        return {**chosen, "below": self.below, "limit_trigger": self.limit_trigger.name}


def known_number(previous: Previous, since: dt.datetime | None) -> Decimal | None:
    """Return the number before the change, where it counts for a limit in force since a time."""
    set_time = previous.set_time
    if since is not None and set_time is not None and set_time < since:
        return None
    return None if previous.value is None else previous.value.number


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
