"""Fact states: read under a lock, folded by the domain, stored in the same transaction.

The design's one upsert returned the value before. An attendance fact holds a mark per section,
which only the fold can merge, so the lock (an upsert that changes nothing) returns the state,
and a second statement stores what the fold made of it. Both go through the keys in order.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping

from sqlalchemy import Text, and_, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.codec import to_micros
from schoolbell_storage.rows import NUMBER, TEXT, rows
from schoolbell_storage.tables import fact

FactName = tuple[str, str]
"""(district_id, fact_key)"""


async def lock_facts(
    connection: AsyncConnection, names: Collection[FactName], now: dt.datetime
) -> dict[FactName, str]:
    """Lock these facts until the transaction ends; return the states of those that have one."""
    if not names:
        return {}
    time = to_micros(now)
    batch = rows(
        connection,
        {"district_id": TEXT, "fact_key": TEXT, "state": TEXT, "update_time": NUMBER},
        [(*name, "", time) for name in sorted(names)],
    )
    source = select(batch).where(batch.c.update_time == time)
    dialect = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    claim = dialect(fact).from_select(["district_id", "fact_key", "state", "update_time"], source)
    locked = await connection.execute(
        claim.on_conflict_do_update(
            index_elements=["district_id", "fact_key"], set_={"update_time": fact.c.update_time}
        ).returning(fact.c.district_id, fact.c.fact_key, fact.c.state)
    )
    return {(row.district_id, row.fact_key): row.state for row in locked if row.state}


async def read_facts(
    connection: AsyncConnection, names: Collection[FactName]
) -> dict[FactName, str]:
    """Return the states of these facts without locking them."""
    if not names:
        return {}
    batch = rows(connection, {"district_id": TEXT, "fact_key": TEXT}, list(names))
    same = and_(batch.c.district_id == fact.c.district_id, batch.c.fact_key == fact.c.fact_key)
    found = await connection.execute(
        select(fact.c.district_id, fact.c.fact_key, fact.c.state).join(batch, same)
    )
    return {(row.district_id, row.fact_key): row.state for row in found if row.state}


async def store_facts(
    connection: AsyncConnection, states: Mapping[FactName, str], now: dt.datetime
) -> None:
    """Store the new states of facts that this transaction has locked."""
    if not states:
        return
    statement = (
        update(fact)
        .where(
            fact.c.district_id == bindparam("in_district", type_=Text()),
            fact.c.fact_key == bindparam("of_fact", type_=Text()),
        )
        .values(state=bindparam("new_state", type_=Text()), update_time=to_micros(now))
    )
    await connection.execute(
        statement,
        [
            {"in_district": name[0], "of_fact": name[1], "new_state": state}
            for name, state in sorted(states.items())
        ],
    )
