"""Rows of tables and the dataclasses that they hold, by the types of the fields.

A field stands in the column of its name. A dataclass within a dataclass is spread over columns of
its own fields. What no type tells, a codec does. Each mapper is compiled once into plain code, as
`dataclasses` does it, so that a table costs no more than encoders that are written by hand.
"""

from __future__ import annotations

import datetime as dt
import json
import types
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import IntEnum, StrEnum
from functools import cache
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from sqlalchemy import Table

from schoolbell_storage.codec import from_micros, numbers, to_json, to_micros

Entity = TypeVar("Entity")


@dataclass(frozen=True, slots=True)
class Codec:
    """How a value stands in one column; None stands as NULL, where a codec does not take it."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]
    takes_none: bool = False
    repeats: bool = False
    """Rows that are written together have most values in common: each value is written once."""


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    place: str
    """Its value's place below the entity, as `.key.source`."""
    codec: Codec | None
    """None where the value is stored as it is."""
    optional: bool


class Mapper(Generic[Entity]):
    """Writes and reads the rows of one dataclass."""

    def __init__(
        self,
        entity: type[Entity],
        codecs: Mapping[str, Codec] | None = None,
        *,
        without: Collection[str] = (),
        names: Mapping[str, str] | None = None,
        table: Table | None = None,
    ) -> None:
        """`codecs` are by column; fields `without` a column are given to `decode` by name.

        `names` are those of columns that are not their field's, by its place, as `key.source`.
        With a `table`, rows begin with its columns in their order, and are read three times as fast
        as by their names.
        """
        self._places = {} if table is None else {name: n for n, name in enumerate(table.c.keys())}
        self._entity = entity
        self._codecs = codecs or {}
        self._without = without
        self._renamed = {f".{place}": name for place, name in (names or {}).items()}
        self._names: dict[str, Any] = {"cache": cache}
        self._columns = {one.name: one for one in self._found(entity, "")}
        self.columns = tuple(self._columns)
        """The names of the columns, in the order of `encode`."""
        self.decode: Callable[..., Entity] = self._compile(
            "decode", f"def decode(row, **given):\n return {self._reading(entity, '')}"
        )
        """Return the entity of a row, which may have more columns."""
        self.encode = self.encoder(self.columns)
        """Return the values of entities, each a tuple in the order of `columns`."""
        pairs = ", ".join(f"{name!r}: {self._writing(name)}" for name in self.columns)
        self.values: Callable[[Entity], dict[str, Any]] = self._compile(
            "values", f"def values(one):\n return {{{pairs}}}"
        )
        """Return an entity's values by column."""

    def encoder(self, names: Sequence[str]) -> Callable[[Sequence[Entity]], list[tuple[Any, ...]]]:
        """Return what writes these columns of entities, each a tuple in the order of `names`."""
        repeating = [
            f" {self._name(codec.write)} = cache({self._name(codec.write)}_)\n"
            for codec in {self._columns[name].codec for name in names}
            if codec is not None and codec.repeats
        ]
        row = "".join(f"{self._writing(name)}, " for name in names)
        source = f"def encode(many):\n{''.join(repeating)} return [({row}) for one in many]"
        compiled: Callable[[Sequence[Entity]], list[tuple[Any, ...]]]
        compiled = self._compile("encode", source)
        return compiled

    def _found(self, kind: Any, place: str) -> Iterator[_Column]:
        hints = get_type_hints(kind)
        for field in (one.name for one in fields(kind)):
            here = f"{place}.{field}"
            name = self._renamed.get(here, field)
            hint, optional = _bare(hints[field])
            if not place and field in self._without:
                continue
            if name in self._codecs:
                codec = self._codecs[name]
                yield _Column(name, here, codec, optional and not codec.takes_none)
            elif is_dataclass(hint):
                yield from self._found(hint, here)
            else:
                yield _Column(name, here, _codec_of(hint), optional)

    def _writing(self, name: str) -> str:
        """Return the expression for a column of the entity `one`."""
        column = self._columns[name]
        value = f"one{column.place}"
        if column.codec is None:
            return value
        written = f"{self._name(column.codec.write)}({value})"
        return f"None if {value} is None else {written}" if column.optional else written

    def _reading(self, kind: Any, place: str) -> str:
        """Return the expression for an entity, or one within it, of the row `row`."""
        hints, given = get_type_hints(kind), []
        for field in (one.name for one in fields(kind)):
            here = f"{place}.{field}"
            column = self._columns.get(self._renamed.get(here, field))
            if column is not None and column.place == here:
                given.append(f"{field}={self._read(column)}")
            elif place or field not in self._without:
                given.append(f"{field}={self._reading(hints[field], here)}")
        if not place and self._without:
            given.append("**given")
        return f"{self._name(kind)}({', '.join(given)})"

    def _read(self, column: _Column) -> str:
        name = column.name
        value = f"row[{self._places[name]}]" if self._places else f"row.{name}"
        if column.codec is None:
            return value
        read = f"{self._name(column.codec.read)}({value})"
        return f"None if {value} is None else {read}" if column.optional else read

    def _name(self, thing: Any) -> str:
        """Return the name of a function or a class in the compiled code."""
        for name, known in self._names.items():
            if known is thing:
                return name.removesuffix("_")
        name = f"f{len(self._names)}"
        self._names |= {name: thing, f"{name}_": thing}
        return name

    def _compile(self, name: str, source: str) -> Any:
        found: dict[str, Any] = {}
        exec(source, self._names, found)  # made of names of fields alone
        return found[name]


def _bare(hint: Any) -> tuple[Any, bool]:
    """Return a type without its None, and whether it had one."""
    if get_origin(hint) in (Union, types.UnionType):
        (bare,) = (part for part in get_args(hint) if part is not types.NoneType)
        return bare, True
    return hint, False


@cache
def _codec_of(kind: Any) -> Codec | None:
    """Return how a value of a type is stored; None: as it is."""
    if isinstance(kind, type) and issubclass(kind, IntEnum):
        return Codec(int, {int(member): member for member in kind}.__getitem__)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return Codec(str, kind)
    if get_origin(kind) is frozenset:
        (member,) = get_args(kind)
        if issubclass(member, IntEnum):
            return Codec(numbers, lambda text: frozenset(map(member, json.loads(text))))
        return Codec(lambda texts: to_json(sorted(texts)), lambda text: frozenset(json.loads(text)))
    if get_origin(kind) is tuple:
        return Codec(lambda texts: to_json(list(texts)), lambda text: tuple(json.loads(text)))
    return _CODECS.get(kind)


_CODECS: Mapping[type, Codec] = {
    dt.datetime: Codec(to_micros, from_micros, repeats=True),
    dt.date: Codec(dt.date.isoformat, dt.date.fromisoformat, repeats=True),
    dt.timedelta: Codec(
        lambda span: int(span.total_seconds()), lambda seconds: dt.timedelta(seconds=seconds)
    ),
}
