"""What a gate is: a rule that refuses with a reason, and the facts that it looks at."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum, StrEnum, unique
from typing import Generic, TypeVar

from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.kinds import Gate, GateScope

Case = TypeVar("Case")

GATE_ORDER = (*map(Gate, range(1, 8)), Gate.NEWEST, *map(Gate, range(8, 16)))
"""The order of evaluation: gate 16 is the last of the change's own."""


def scope_of(gate: Gate) -> GateScope:
    """Return what a gate judges."""
    return _SCOPES.get(gate, GateScope.CHANGE)


_SCOPES = {
    Gate.TOOL_SHOWN: GateScope.APP,
    Gate.RELATED: GateScope.RECIPIENT,
    Gate.ACCOUNT: GateScope.RECIPIENT,
    **dict.fromkeys(map(Gate, range(Gate.DEVICE_USABLE, Gate.NEWEST)), GateScope.DEVICE),
}
"""Of the gates that judge anything but the change itself."""


@unique
class EntityKind(StrEnum):
    """What a seen fact belongs to, so that its source and update time can be looked up."""

    DISTRICT = "district"
    CHANGE = "change"
    CALENDAR = "calendar"
    TERM = "term"
    ENROLLMENT = "enrollment"
    USER = "user"
    RELATIONSHIP = "relationship"
    BAR = "bar"
    DEVICE = "device"
    SUBSCRIPTION = "subscription"
    PERSON_SUBSCRIPTION = "person_subscription"
    FACT = "fact"


BAR_ID = "\n"
"""Joins the two parts of a bar's id; no id has it."""


@dataclass(frozen=True, slots=True)
class SeenFact:
    """One value that a gate looked at.

    A relationship's id is its guardian's user_id, a bar's the person's and the source joined by
    `BAR_ID`, a subscription's its device_id or the user_id of the person whose it is, a term's its
    term_id: the change names the rest.
    """

    name: str
    value: str
    entity: EntityKind
    entity_id: str


@dataclass(frozen=True, slots=True)
class GateCheck(Generic[Case]):
    """One gate, over the case that its scope is judged by."""

    gate: Gate
    refuse: Callable[[Case], Refusal | None]
    """Answers None where the gate is open, also where it has nothing to judge."""
    see: Callable[[Case], tuple[SeenFact, ...]]
    applies: Callable[[Case], bool] = lambda case: True
    """False where the gate has nothing to judge; only an explanation asks."""


def first_refusal(rules: Iterable[GateCheck[Case]], case: Case) -> Refusal | None:
    """Return the refusal of the first gate that fails."""
    for rule in rules:
        refusal = rule.refuse(case)
        if refusal is not None:
            return refusal
    return None


Seeable = bool | int | str | Decimal | dt.date | dt.timedelta | None


def text_of(value: Seeable) -> str:
    """Return a value as a short text; nothing is ''."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return _span_text(value)
    return str(value)


def _span_text(span: dt.timedelta) -> str:
    """Return a span in units that every language knows, such as `3d` or `1h 30m 2.5s`."""
    minutes, seconds = divmod(abs(span), dt.timedelta(minutes=1))
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [
        f"{count}{unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "m")) if count
    ]
    if seconds or not parts:
        parts.append(f"{round(seconds.total_seconds(), 3):g}s")
    return ("-" if span < dt.timedelta(0) else "") + " ".join(parts)


def seen(entity: EntityKind, entity_id: str, **values: Seeable) -> tuple[SeenFact, ...]:
    """Return the named values of one entity as seen facts."""
    return tuple(
        SeenFact(name, text_of(value), entity, entity_id) for name, value in values.items()
    )


def names_of(members: Iterable[IntEnum]) -> str:
    """Return a set of enum members as their sorted names; the empty set is ''."""
    return " ".join(sorted(member.name for member in members))
