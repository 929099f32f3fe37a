"""Who shares a lunch account: found by the facts of the students, with indexes only."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from sqlalchemy import and_, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.fact import FactState
from schoolbell_server.domain.kinds.lunch_balance import account_key, balance_range
from schoolbell_storage.fact_documents import decode_state, encode_state
from schoolbell_storage.rows import among_district
from schoolbell_storage.tables import fact


async def sharers_of(
    connection: AsyncConnection, district_id: str, student_ids: Iterable[str]
) -> set[str]:
    """Return who shares a lunch account with these students, themselves among them."""
    accounts: set[str] = set()
    for student_id in student_ids:
        accounts |= await _accounts(connection, district_id, student_id)
    states = await _states(connection, district_id, accounts)
    return {student_id for state in states.values() for student_id in state.students}


async def leave_accounts(connection: AsyncConnection, district_id: str, student_id: str) -> int:
    """Take a student out of lunch accounts; erase those that nobody else shares.

    Return how many said that the student shares them.
    """
    accounts = await _accounts(connection, district_id, student_id)
    states = await _states(connection, district_id, accounts, lock=True)
    count = 0
    for key, state in states.items():
        others = tuple(other for other in state.students if other != student_id)
        same = and_(fact.c.district_id == district_id, fact.c.fact_key == key)
        if not others:
            await connection.execute(delete(fact).where(same))
        elif others != state.students:
            left = encode_state(replace(state, students=others))
            await connection.execute(update(fact).where(same).values(state=left))
        count += others != state.students
    return count


async def _accounts(connection: AsyncConnection, district_id: str, student_id: str) -> set[str]:
    first, beyond = balance_range(student_id)
    found = await connection.execute(
        select(fact.c.fact_key).where(
            fact.c.district_id == district_id, fact.c.fact_key >= first, fact.c.fact_key < beyond
        )
    )
    return {account_key(key) for key in found.scalars()}


async def _states(
    connection: AsyncConnection,
    district_id: str,
    accounts: Collection[str],
    *,
    lock: bool = False,
) -> dict[str, FactState]:
    if not accounts:
        return {}
    wanted = select(fact.c.fact_key, fact.c.state).where(
        among_district(fact.c.fact_key, district_id, accounts)
    )
    if lock:
        wanted = wanted.order_by(fact.c.fact_key).with_for_update()
    found = (await connection.execute(wanted)).all()
    return {row.fact_key: decode_state(row.state) for row in found if row.state}
