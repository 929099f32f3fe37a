"""Build the sandbox's frozen dataclasses from JSON or TOML, and refuse what they do not know."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


class BadInput(ValueError):
    """The input names the wrong field, or gives it the wrong kind of value."""


def decode(kind: type[T], value: Any, path: str = "") -> T:
    """Build a dataclass from an object; raise BadInput with the field's path."""
    return cast(T, _decode(kind, value, path))


def _decode(kind: Any, value: Any, path: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        inner = next(part for part in get_args(kind) if part is not types.NoneType)
        return None if value is None else _decode(inner, value, path)
    if origin is tuple:
        return tuple(_decode(get_args(kind)[0], v, path) for v in _expect(list, value, path))
    if origin is Mapping:
        inner = get_args(kind)[1]
        entries = _expect(dict, value, path).items()
        return {key: _decode(inner, entry, f"{path}.{key}") for key, entry in entries}
    if is_dataclass(kind):
        return _decode_fields(kind, _expect(dict, value, path), path)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _decode_enum(kind, value, path)
    if kind is float:
        return float(_expect((int, float), value, path))
    return _expect(kind, value, path)


def _decode_fields(kind: Any, values: dict[str, Any], path: str) -> Any:
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}
    if unknown := sorted(values.keys() - known.keys()):
        raise BadInput(_at(path, f"unknown field {unknown[0]!r}"))
    for name, field in known.items():
        if name not in values and field.default is field.default_factory is MISSING:
            raise BadInput(f"{_join(path, name)}: is required")
    arguments = {
        name: _decode(hints[name], value, _join(path, name)) for name, value in values.items()
    }
    try:
        return kind(**arguments)
    except ValueError as error:
        raise BadInput(_at(path, str(error))) from error


def _decode_enum(kind: type[Enum], value: Any, path: str) -> Enum:
    try:
        return kind(value)
    except ValueError as error:
        choices = ", ".join(repr(str(member.value)) for member in kind)
        raise BadInput(_at(path, f"{value!r} is none of {choices}")) from error


def _expect(kind: Any, value: Any, path: str) -> Any:
    wrong_bool = isinstance(value, bool) and kind is not bool
    if wrong_bool or not isinstance(value, kind):
        raise BadInput(_at(path, f"{value!r} has the wrong type"))
    return value


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _at(path: str, problem: str) -> str:
    return f"{path}: {problem}" if path else problem
