"""A delivery: one change to one device, from its creation to its end."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from operator import attrgetter

from schoolbell_server.domain.change import Change, ChangeKey
from schoolbell_server.domain.fact import FactKey, Told
from schoolbell_server.domain.kinds import (
    AppType,
    CancelCause,
    DeliveryState,
    Gate,
    HoldCause,
    Kind,
    Outcome,
    Platform,
    RefusalReason,
)
from schoolbell_server.domain.principal import Principal

UNSENT = frozenset({DeliveryState.PENDING, DeliveryState.HELD})
"""Waiting for an attempt: what can be leased, cancelled and expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try: when, and what became of it."""

    start_time: dt.datetime
    end_time: dt.datetime
    outcome: Outcome
    provider_reason: str = ""


@dataclass(slots=True, kw_only=True)
class Delivery:
    """A delivery; never changed in place: `domain/transitions.py` returns what becomes of it.

    Not frozen, for a frozen one of so many fields takes three times as long to make.
    """

    delivery_id: str
    district_id: str
    key: ChangeKey
    student_id: str
    user_id: str
    device_id: str
    app_id: str
    app: AppType
    platform: Platform
    kind: Kind
    lane: int
    state: DeliveryState
    fact_key: FactKey
    """The fact that it tells: a move's new place. Its old place does not supersede it."""
    other_fact_key: FactKey | None
    told: Told
    correction: bool
    facts_version: int
    school_day: dt.date
    time_zone: str
    """Of the school, in which its school day is told."""
    create_time: dt.datetime
    due_time: dt.datetime
    expire_time: dt.datetime
    update_time: dt.datetime
    calendar_id: str = ""
    """'' where the change names none."""
    revision: int = 1
    hold_cause: HoldCause | None = None
    """Why it waits; says nothing unless it is HELD."""
    cancel_cause: CancelCause | None = None
    """Set while leased too: a cancel during an attempt waits for its outcome."""
    cancel_gate: Gate | None = None
    cancel_refusal: RefusalReason | None = None
    cancel_comment: str = ""
    cancel_principal: Principal | None = None
    """Who called for it; None for any cause but PERSON."""
    attempt_count: int = 0
    budget_start: int = 0
    """The attempt count at the last retry by a person: the budget counts from it."""
    answer_lost: bool = False
    """The phone may have shown it although no answer says so."""
    attempts: tuple[Attempt, ...] = ()
    provider_message_id: str = ""
    lease_owner: str = ""
    accept_time: dt.datetime | None = None
    display_time: dt.datetime | None = None
    open_time: dt.datetime | None = None
    change: Change | None = field(default=None, compare=False, repr=False)
    """What it tells, where this server has just accepted it; never stored, nor read."""

    @property
    def attempted(self) -> bool:
        """Return whether a phone may have been reached; a lease counts, also a dead server's."""
        return self.attempt_count > 0 or self.answer_lost or bool(self.lease_owner)

    @property
    def untouched(self) -> bool:
        """Return whether it waits and no phone can know of it: it may be superseded."""
        return self.state in UNSENT and not self.attempted

    @property
    def seen(self) -> bool:
        """Return whether it has an attempt that was not rejected."""
        return self.attempted and self.state is not DeliveryState.REJECTED


_FIELDS = tuple(Delivery.__dataclass_fields__)
_values_of = attrgetter(*_FIELDS)
_SETTERS = tuple(getattr(Delivery, name).__set__ for name in _FIELDS)


def changed(delivery: Delivery, **fields: object) -> Delivery:
    """Return a delivery with some fields replaced, as `dataclasses.replace` does in twice the time.

    Raises AttributeError for a name that is no field.
    """
    fresh = object.__new__(Delivery)
    for put, value in zip(_SETTERS, _values_of(delivery), strict=True):
        put(fresh, value)
    for name, value in fields.items():
        setattr(fresh, name, value)
    return fresh
