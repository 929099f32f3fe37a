"""Build typed values from the plain ones of a table, by the types that they declare."""

from __future__ import annotations

import dataclasses
import datetime as dt
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from enum import IntEnum
from typing import Any, TypeVar

T = TypeVar("T")

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def build(cls: type[T], plain: Mapping[str, Any]) -> T:
    """Build a dataclass; a field that it does not have is a mistake in the table."""
    hints = typing.get_type_hints(cls)
    unknown = plain.keys() - hints.keys()
    if unknown:
        raise ValueError(f"{cls.__name__} has no {sorted(unknown)}")
    return cls(**{name: convert(hints[name], value) for name, value in plain.items()})


def convert(hint: Any, value: Any) -> Any:
    """Convert one value to its declared type; what is typed already stays as it is."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _optional(inner, value)
    if origin in (frozenset, tuple):
        return origin(convert(inner[0], item) for item in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {convert(inner[0], key): convert(inner[1], item) for key, item in value.items()}
    return _plain(hint, value)


def _optional(choices: tuple[Any, ...], value: Any) -> Any:
    kinds = [choice for choice in choices if choice is not types.NoneType]
    return convert(kinds[0], value) if len(kinds) == 1 and value is not None else value


def _plain(hint: Any, value: Any) -> Any:
    if hint is Decimal:
        return Decimal(value)
    if hint is dt.timedelta and isinstance(value, str):
        return dt.timedelta(**{_UNITS[value[-1]]: float(value[:-1])})
    if isinstance(hint, type) and issubclass(hint, IntEnum) and isinstance(value, str):
        return hint[value]
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        return build(hint, value)
    return value
