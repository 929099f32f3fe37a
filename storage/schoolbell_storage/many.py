"""Write many rows with one statement, with the parameters that the driver wants.

SQLAlchemy works out the parameters of every row anew, which takes longer than SQLite takes to
write the row. Here a statement is compiled once for each dialect, and the driver gets the values
as they are: plain ones, which it takes for their columns without any conversion. SQLite runs the
statement for each row, PostgreSQL once for all of them, as an array a column (`rows.Batch`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Dialect, Insert, Table, Update, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.rows import Batch

Row = tuple[object, ...]
_KEY = "of_"
"""Begins the name of what a row is found by."""


class Many:
    """A statement for many rows of a table, each given by its values."""

    def __init__(self, table: Table, names: Sequence[str], by: Sequence[str] = ()) -> None:
        """Insert the columns of these names, or update them where rows are found `by` others.

        A row's values are those of the columns, then those that it is found by. No row is given
        twice.
        """
        self._table = table
        self._names = list(names)
        self._by = {_KEY + name: name for name in by}
        self._for = cache(self._compiled)

    async def run(self, connection: AsyncConnection, rows: Sequence[Row]) -> None:
        """Write the rows, which on SQLite happens in their order."""
        if rows:
            text, given = self._for(connection.dialect)
            await connection.exec_driver_sql(text, given(rows))

    def _compiled(self, dialect: Dialect) -> tuple[str, Callable[[Sequence[Row]], Any]]:
        """Return the statement in a dialect, and what makes its parameters of rows."""
        names = [*self._names, *self._by]
        if dialect.name == "postgresql":
            compiled: Any = self._arrays().compile(dialect=dialect)
            places = [int(name.rpartition("_")[2]) for name in compiled.positiontup]
            return str(compiled), lambda rows: _columns(rows, places)
        compiled = self._each().compile(dialect=dialect)
        in_order = itemgetter(*(names.index(name) for name in compiled.positiontup))
        return str(compiled), lambda rows: [in_order(row) for row in rows]

    def _each(self) -> Insert | Update:
        columns = self._table.c
        given = {name: bindparam(name, type_=columns[name].type) for name in self._names}
        if not self._by:
            return insert(self._table).values(given)
        # A row each by its key: joined with `json_each`, SQLite took three times as long.
        found = (columns[name] == bindparam(key) for key, name in self._by.items())
        return update(self._table).where(*found).values(given)

    def _arrays(self) -> Insert | Update:
        columns = self._table.c
        kinds = {name: columns[name].type for name in self._names}
        kinds |= {key: columns[name].type for key, name in self._by.items()}
        batch = Batch(kinds).table("postgresql")
        if not self._by:
            return insert(self._table).from_select(self._names, select(batch))
        found = (columns[name] == batch.c[key] for key, name in self._by.items())
        return update(self._table).where(*found).values({n: batch.c[n] for n in self._names})


def _columns(rows: Sequence[Row], places: Sequence[int]) -> Row:
    values = list(zip(*rows, strict=True))
    return tuple(values[place] for place in places)
