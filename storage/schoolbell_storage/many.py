"""Run a statement once for each of many rows, with the parameters that the driver wants.

SQLAlchemy works out the parameters of every row anew, which takes longer than SQLite takes to
write the row. Here a statement is compiled once for each dialect, and the driver gets the values
as they are: plain ones, which it takes for their columns without any conversion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Dialect, Insert, Update
from sqlalchemy.ext.asyncio import AsyncConnection

Row = tuple[object, ...]


class Many:
    """A statement for many rows, each given by the values of its parameters."""

    def __init__(self, statement: Insert | Update, names: Sequence[str]) -> None:
        """Take a statement, and its parameters' names in the order of each row's values.

        There are two of them or more.
        """
        self._statement = statement
        self._names = list(names)
        self._compiled: dict[str, tuple[str, Callable[[Row], Row]]] = {}

    async def run(self, connection: AsyncConnection, rows: Sequence[Row]) -> None:
        """Run the statement for each row, in their order."""
        if rows:
            text, in_order = self._for(connection.dialect)
            await connection.exec_driver_sql(text, [in_order(row) for row in rows])

    def _for(self, dialect: Dialect) -> tuple[str, Callable[[Row], Row]]:
        """Return the statement in a dialect, and what puts a row's values in its order."""
        if dialect.name not in self._compiled:
            compiled: Any = self._statement.compile(dialect=dialect)
            places = [self._names.index(name) for name in compiled.positiontup]
            self._compiled[dialect.name] = str(compiled), itemgetter(*places)
        return self._compiled[dialect.name]
