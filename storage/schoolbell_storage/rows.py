"""Hand a batch of values to one statement: the only place where the two dialects part.

PostgreSQL takes one array a column (`unnest`), SQLite one JSON text (`json_each`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    Text,
    bindparam,
    cast,
    column,
    func,
    select,
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


def _arrays(
    columns: Mapping[str, ColumnType], values: Sequence[Sequence[object]], name: str
) -> FromClause:
    arrays = [
        cast(bindparam(None, [row[index] for row in values], ARRAY(kind)), ARRAY(kind))
        for index, kind in enumerate(columns.values())
    ]
    typed = [column(label, kind) for label, kind in columns.items()]
    return func.unnest(*arrays).table_valued(*typed, name=name).render_derived()


def _json(
    columns: Mapping[str, ColumnType], values: Sequence[Sequence[object]], name: str
) -> FromClause:
    text = to_json([list(row) for row in values])
    each = func.json_each(bindparam(None, text, Text())).table_valued("value")
    picked: list[ColumnElement[object]] = [
        func.json_extract(each.c.value, f"$[{index}]", type_=kind).label(label)
        for index, (label, kind) in enumerate(columns.items())
    ]
    return select(*picked).subquery(name)
