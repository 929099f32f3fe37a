"""Hand a batch of values to one statement: the only place where the two dialects part.

PostgreSQL takes one array a column (`unnest`), SQLite one JSON text (`json_each`). A statement
that is asked often is made once, with `given` names in place of the values: to build one takes
longer than to run it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    FromClause,
    Table,
    Text,
    bindparam,
    cast,
    column,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from schoolbell_storage.codec import to_json

ColumnType = TypeEngine[Any]

TEXT: ColumnType = Text()
NUMBER: ColumnType = BigInteger()
FLAG: ColumnType = Boolean()
_BATCH = "batch"


class _Values(TypeDecorator[Collection[Any]]):
    """Many texts as one parameter, or on SQLite whatever JSON holds."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return ARRAY(TEXT) if dialect.name == "postgresql" else TEXT

    def process_bind_param(self, value: Collection[Any] | None, dialect: Dialect) -> Any:
        values = list(value or ())
        return values if dialect.name == "postgresql" else to_json(values)


def given(name: str) -> BindParameter[Collection[str]]:
    """Return the place of a collection of texts that is given when the statement runs."""
    return bindparam(name, type_=_Values())


Texts = Collection[str] | ColumnElement[Any]


class _Condition(FunctionElement[bool]):
    """Is a comparison, not a value: `… = 1` would keep SQLite from finding the index."""

    type = Boolean()

    def self_group(self, against: object = None) -> Self:
        return self


class _Among(_Condition):
    """(column, values)."""

    inherit_cache = True


class _AmongDistrict(_Condition):
    """(district column, column, district, values)."""

    inherit_cache = True


def insert_into(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT that can say what becomes of a row that is there already."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def among(wanted: ColumnElement[str], values: Texts) -> ColumnElement[bool]:
    """Return the condition that a text column is one of these values, found by its index.

    Not a join: without statistics SQLite may put the table before the batch and walk it whole.
    """
    return _Among(wanted, _place(values))


def among_district(
    wanted: Column[str], district_id: str | BindParameter[str], values: Texts
) -> ColumnElement[bool]:
    """Return the condition that a row is the district's and its column one of these values.

    Both at once for SQLite, which else takes any index that begins with the district.
    """
    if isinstance(district_id, str):
        district_id = bindparam(None, district_id, TEXT)
    return _AmongDistrict(wanted.table.c.district_id, wanted, district_id, _place(values))


def _place(values: Texts) -> ColumnElement[Any]:
    if isinstance(values, ColumnElement):
        return values
    return bindparam(None, values, _Values())


@compiles(_Among)
def _among_json(element: _Among, compiler: SQLCompiler, **how: Any) -> str:
    wanted, values = (compiler.process(part, **how) for part in element.clauses)
    return f"{wanted} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - compiled parts


@compiles(_Among, "postgresql")
def _among_array(element: _Among, compiler: SQLCompiler, **how: Any) -> str:
    wanted, values = (compiler.process(part, **how) for part in element.clauses)
    return f"{wanted} = ANY ({values})"


@compiles(_AmongDistrict)
def _among_district_json(element: _AmongDistrict, compiler: SQLCompiler, **how: Any) -> str:
    own, wanted, district, values = (compiler.process(part, **how) for part in element.clauses)
    chosen = f"SELECT {district}, value FROM json_each({values})"  # noqa: S608 - compiled parts
    return f"({own}, {wanted}) IN ({chosen})"


@compiles(_AmongDistrict, "postgresql")
def _among_district_array(element: _AmongDistrict, compiler: SQLCompiler, **how: Any) -> str:
    own, wanted, district, values = (compiler.process(part, **how) for part in element.clauses)
    return f"({own} = {district} AND {wanted} = ANY ({values}))"


@dataclass(frozen=True)
class Batch:
    """Rows that are given when a statement runs, as a table that is usable in it."""

    columns: Mapping[str, ColumnType]

    def table(self, dialect: str) -> FromClause:
        """Return the rows as a table."""
        if dialect == "postgresql":
            return self._arrays()
        return self._json()

    def given(self, dialect: str, values: Sequence[Sequence[object]]) -> dict[str, object]:
        """Return the parameters of a statement of the same dialect that fill the table."""
        if dialect == "postgresql":
            width = range(len(self.columns))
            return {f"{_BATCH}_{index}": [row[index] for row in values] for index in width}
        return {_BATCH: [list(row) for row in values]}

    def _arrays(self) -> FromClause:
        arrays = [
            cast(bindparam(f"{_BATCH}_{index}", type_=ARRAY(kind)), ARRAY(kind))
            for index, kind in enumerate(self.columns.values())
        ]
        typed = [column(label, kind) for label, kind in self.columns.items()]
        return func.unnest(*arrays).table_valued(*typed, name=_BATCH).render_derived()

    def _json(self) -> FromClause:
        each = func.json_each(bindparam(_BATCH, type_=_Values())).table_valued("value")
        picked: list[ColumnElement[object]] = [
            func.json_extract(each.c.value, f"$[{index}]", type_=kind).label(label)
            for index, (label, kind) in enumerate(self.columns.items())
        ]
        return select(*picked).subquery(_BATCH)
