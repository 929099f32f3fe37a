"""Read plain TOML values into the dataclasses of a configuration.

The dataclass is the only description: its fields are the known keys, its hints the types,
`Annotated[…, Range]` the limits, and a field without a default is required.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import types
from collections.abc import Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from schoolbell_server.address import Address
from schoolbell_server.config.problems import unknown_key
from schoolbell_server.config.ranges import Range
from schoolbell_server.config.secret import Secret
from schoolbell_server.config.span import parse_span, show_span
from schoolbell_server.security.credential_files import CredentialUnusable, Holds

_MOST_PART = 255
"""Bytes of a file's name, without its folders; no file system takes more."""


class _Bad(Exception):
    """A value was refused; the message completes `key: `."""


class Reader:
    """Read values below one base folder and collect what is wrong with them."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self.problems: list[str] = []
        self.files: dict[str, str] = {}
        """What is wrong with the credential files that settings name, by the settings' keys."""

    def read(self, hint: Any, raw: object, path: str) -> Any:
        """Return the value of a key as its hint wants it; None, and a problem, if it is not."""
        kind, marks = _bare(hint)
        if dataclasses.is_dataclass(kind) and kind is not Address:
            return self._table(kind, raw, path)
        if get_origin(kind) is Mapping:
            return self._tables(get_args(kind)[1], raw, path)
        try:
            value = self._scalar(kind, raw)
            for mark in marks:
                if isinstance(mark, Range):
                    _check_range(value, mark)
                elif isinstance(value, Path):
                    self._check_file(mark, value, path)
        except _Bad as bad:
            self.problems.append(f"{path}: {bad}{_shown(kind, raw)}")
            return None
        return value

    def _check_file(self, mark: Holds, file: Path, path: str) -> None:
        try:
            mark.read(file)
        except CredentialUnusable as error:
            self.files[path] = f"the file {str(file)!r} {error}"

    def _table(self, cls: Any, raw: object, path: str, **given: str) -> Any:
        if not isinstance(raw, Mapping):
            self.problems.append(f"{path}: must be a table")
            return None
        hints = {key: hint for key, hint in fields_of(cls).items() if key not in given}
        self.problems += [unknown_key(path, key, hints) for key in raw if key not in hints]
        self.problems += [
            f"{join(path, key)}: is required" for key in _required(cls) - {*raw, *given}
        ]
        before = len(self.problems)
        values = {
            key: self.read(hint, raw[key], join(path, key))
            for key, hint in hints.items()
            if key in raw
        }
        if len(self.problems) > before or not _required(cls) <= {*raw, *given}:
            return None
        return cls(**values, **given)

    def _tables(self, cls: Any, raw: object, path: str) -> Any:
        if not isinstance(raw, Mapping):
            self.problems.append(f"{path}: must be a table of tables")
            return None
        return {
            name: self._table(cls, value, join(path, name), **{name_field(cls): name})
            for name, value in raw.items()
        }

    def _scalar(self, kind: Any, raw: object) -> object:
        if get_origin(kind) is tuple:
            if not isinstance(raw, list):
                raise _Bad("must be a list")
            return tuple(self._scalar(get_args(kind)[0], item) for item in raw)
        if kind in (bool, int):
            if type(raw) is not kind:
                raise _Bad(f"must be {'true or false' if kind is bool else 'a whole number'}")
            return raw
        if not isinstance(raw, str):
            raise _Bad("must be a text")
        return self._text(kind, raw)

    def _text(self, kind: Any, raw: str) -> object:
        if kind is Path:
            return self._base / _path(raw)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return _member(kind, raw)
        parse = {Address: Address.parse, dt.timedelta: parse_span}.get(kind, kind)
        try:
            return parse(raw)
        except ValueError as error:
            raise _Bad(str(error)) from None


def _path(raw: str) -> Path:
    if not raw or "\0" in raw:
        raise _Bad("must be a path, neither empty nor with a NUL")
    if any(len(os.fsencode(part)) > _MOST_PART for part in raw.split("/")):
        raise _Bad(f"must be a path whose parts have at most {_MOST_PART} bytes")
    try:
        return Path(raw).expanduser()
    except RuntimeError:
        raise _Bad("must begin with the home of a known user") from None


def join(path: str, key: str) -> str:
    """Name a key below a table."""
    return f"{path}.{key}" if path else key


@cache
def fields_of(cls: Any) -> dict[str, Any]:
    """Return the known keys of a table with their hints."""
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def name_field(cls: Any) -> str:
    """Return the field of a table among others that holds its own name: the first."""
    return next(iter(fields_of(cls)))


def _required(cls: Any) -> set[str]:
    missing = dataclasses.MISSING
    return {
        field.name
        for field in dataclasses.fields(cls)
        if field.default is missing and field.default_factory is missing
    }


def _bare(hint: Any) -> tuple[Any, tuple[Range | Holds, ...]]:
    marks: tuple[Range | Holds, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *extras = get_args(hint)
        marks = tuple(extra for extra in extras if isinstance(extra, Range | Holds))
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (arm for arm in get_args(hint) if arm is not type(None))
    return hint, marks


def bare_type(hint: Any) -> Any:
    """Return the type of a hint without limits and without its None arm."""
    return _bare(hint)[0]


def _member(kind: type[Enum], raw: str) -> Enum:
    members = {member.name.lower(): member for member in kind}
    if raw not in members:
        raise _Bad(f"must be one of {', '.join(members)}")
    return members[raw]


def _check_range(value: Any, limit: Range) -> None:
    if not limit.least <= value <= limit.most:
        raise _Bad(f"must be from {_show(limit.least)} to {_show(limit.most)}")


def _show(limit: int | dt.timedelta) -> str:
    return show_span(limit) if isinstance(limit, dt.timedelta) else str(limit)


def _shown(kind: Any, raw: object) -> str:
    return "" if kind is Secret else f", not {raw!r}"
