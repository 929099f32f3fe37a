"""Hand a batch of values to one statement: the only place where the two dialects part.

PostgreSQL takes one array a column (`unnest`), SQLite one JSON text (`json_each`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    FromClause,
    TableValuedAlias,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    column,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from schoolbell_storage.codec import to_json

ColumnType = TypeEngine[Any]

TEXT: ColumnType = Text()
NUMBER: ColumnType = BigInteger()
FLAG: ColumnType = Boolean()


def rows(
    connection: AsyncConnection,
    columns: Mapping[str, ColumnType],
    values: Sequence[Sequence[object]],
    name: str = "batch",
) -> FromClause:
    """Return the values as a table of the given columns, usable in any statement."""
    if connection.dialect.name == "postgresql":
        return _arrays(columns, values, name)
    return _json(columns, values, name)


def among(
    connection: AsyncConnection, wanted: ColumnElement[str], values: Collection[str]
) -> ColumnElement[bool]:
    """Return the condition that a text column is one of these values, found by its index.

    Not a join: without statistics SQLite may put the table before the batch and walk it whole.
    """
    if connection.dialect.name == "postgresql":
        return wanted == any_(_array(values, TEXT))
    return wanted.in_(select(_each(list(values)).c.value))


def among_district(
    connection: AsyncConnection, wanted: Column[str], district_id: str, values: Collection[str]
) -> ColumnElement[bool]:
    """Return the condition that a row is the district's and its column one of these values.

    Both at once for SQLite, which else takes any index that begins with the district.
    """
    district = wanted.table.c.district_id
    if connection.dialect.name == "postgresql":
        return and_(district == district_id, among(connection, wanted, values))
    chosen = select(literal(district_id, Text()), _each(list(values)).c.value)
    return tuple_(district, wanted).in_(chosen)


def _arrays(
    columns: Mapping[str, ColumnType], values: Sequence[Sequence[object]], name: str
) -> FromClause:
    arrays = [
        _array([row[index] for row in values], kind) for index, kind in enumerate(columns.values())
    ]
    typed = [column(label, kind) for label, kind in columns.items()]
    return func.unnest(*arrays).table_valued(*typed, name=name).render_derived()


def _array(values: Collection[object], kind: ColumnType) -> ColumnElement[Any]:
    return cast(bindparam(None, list(values), ARRAY(kind)), ARRAY(kind))


def _json(
    columns: Mapping[str, ColumnType], values: Sequence[Sequence[object]], name: str
) -> FromClause:
    each = _each([list(row) for row in values])
    picked: list[ColumnElement[object]] = [
        func.json_extract(each.c.value, f"$[{index}]", type_=kind).label(label)
        for index, (label, kind) in enumerate(columns.items())
    ]
    return select(*picked).subquery(name)


def _each(values: Sequence[object]) -> TableValuedAlias:
    return func.json_each(bindparam(None, to_json(values), Text())).table_valued("value")
