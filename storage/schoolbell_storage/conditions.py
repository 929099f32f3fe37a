"""Conditions of subscriptions as JSON documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from decimal import Decimal
from enum import IntEnum
from functools import partial
from typing import Any

from schoolbell_server.domain.condition import Condition
from schoolbell_server.domain.kinds import LimitTrigger
from schoolbell_server.domain.kinds.registry import CONDITIONS

Document = dict[str, Any]

_NAMES = {"below_percent": "below", "below_balance": "below", "limit_trigger": "repeat"}
"""How fields are named in a document; the others as they are."""


def _members(enum: type[IntEnum], numbers: Iterable[int]) -> frozenset[IntEnum]:
    return frozenset(map(enum, numbers))


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _readers(condition: type[Condition]) -> dict[str, Callable[[Any], Any]]:
    """Return how each field of a condition is read: a set of members, how often, or a limit."""
    special: dict[str, Callable[[Any], Any]] = {
        "limit_trigger": LimitTrigger,
        **{name: partial(_members, enum) for name, enum in condition.choices.items()},
    }
    return {one.name: special.get(one.name, _number) for one in fields(condition)}


_ARMS = {one.arm: (one, _readers(one)) for one in CONDITIONS.values()}


def encode_condition(condition: Condition | None) -> Document | None:
    """Return a condition as a document that names its arm."""
    if condition is None:
        return None
    _kind, readers = _ARMS[condition.arm]
    values = {_NAMES.get(name, name): _plain(getattr(condition, name)) for name in readers}
    return {"arm": condition.arm, **values}


def decode_condition(document: Document | None) -> Condition | None:
    """Return the condition that `encode_condition` wrote."""
    if document is None:
        return None
    if document["arm"] not in _ARMS:
        raise ValueError(f"no condition has the arm {document['arm']!r}")
    condition, readers = _ARMS[document["arm"]]
    return condition(
        **{name: read(document[_NAMES.get(name, name)]) for name, read in readers.items()}
    )


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    return str(value) if isinstance(value, Decimal) else value
