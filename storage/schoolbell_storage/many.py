"""Run a statement once for each of many rows, with the parameters that the driver wants.

SQLAlchemy works out the parameters of every row anew, which takes longer than SQLite takes to
write the row. Here a statement is compiled once for each dialect, and the driver gets the values
as they are: plain ones, which it takes for their columns without any conversion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Dialect, Insert, Update
from sqlalchemy.ext.asyncio import AsyncConnection

Row = Mapping[str, object]


class Many:
    """A statement for many rows, each given by the names of its parameters."""

    def __init__(self, statement: Insert | Update) -> None:
        """Take a statement of two parameters or more."""
        self._statement = statement
        self._compiled: dict[str, tuple[str, Callable[[Row], tuple[Any, ...]]]] = {}

    async def run(self, connection: AsyncConnection, rows: Sequence[Row]) -> None:
        """Run the statement for each row, in their order."""
        if rows:
            text, parameters = self._for(connection.dialect)
            await connection.exec_driver_sql(text, [parameters(row) for row in rows])

    def _for(self, dialect: Dialect) -> tuple[str, Callable[[Row], tuple[Any, ...]]]:
        """Return the statement in a dialect, and what puts a row's parameters in its order."""
        if dialect.name not in self._compiled:
            compiled: Any = self._statement.compile(dialect=dialect)
            self._compiled[dialect.name] = str(compiled), itemgetter(*compiled.positiontup)
        return self._compiled[dialect.name]
