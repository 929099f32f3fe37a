"""Let transactions that would each miss what the other does come one after the other."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

_TURNS = 0x5C_40_01_BE_15  # any number that nobody else uses


async def take_turns(connection: AsyncConnection, name: str) -> None:
    """Wait for every transaction that took the same name, and keep it until this one ends.

    PostgreSQL alone needs it: SQLite has one writer.
    """
    if connection.dialect.name == "postgresql":
        key = func.hashtextextended(name, _TURNS)
        await connection.execute(select(func.pg_advisory_xact_lock(key)))
