"""Fact states: read under a lock, folded by the domain, stored in the same transaction.

The design's one upsert returned the value before. An attendance fact holds a mark per section,
which only the fold can merge, so the lock (an upsert that changes nothing) returns the state,
and a second statement stores what the fold made of it. Both go through the keys in order.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from sqlalchemy import and_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from schoolbell_server.domain.kinds.registry import kind_of_key
from schoolbell_storage.codec import to_micros
from schoolbell_storage.many import Many
from schoolbell_storage.rows import NUMBER, TEXT, Batch, insert_into
from schoolbell_storage.tables import fact

FactName = tuple[str, str]
"""(district_id, fact_key)"""
_NAMES = Batch({"district_id": TEXT, "fact_key": TEXT})
_CLAIMED = Batch({**_NAMES.columns, "kind": NUMBER, "state": TEXT, "update_time": NUMBER})
_STORE = Many(fact, ("state", "update_time"), by=("district_id", "fact_key"))


@cache
def _lock(dialect: str) -> ReturningInsert[Any]:
    batch = _CLAIMED.table(dialect)
    # SQLite cannot tell ON CONFLICT from a join's ON unless the SELECT has a WHERE.
    source = select(batch).where(true())
    claim = insert_into(dialect, fact).from_select(list(_CLAIMED.columns), source)
    return claim.on_conflict_do_update(
        index_elements=list(_NAMES.columns), set_={"update_time": fact.c.update_time}
    ).returning(fact.c.district_id, fact.c.fact_key, fact.c.state)


async def lock_facts(
    connection: AsyncConnection, names: Collection[FactName], now: dt.datetime
) -> dict[FactName, str]:
    """Lock these facts until the transaction ends; return the states of those that have one."""
    if not names:
        return {}
    dialect, time = connection.dialect.name, to_micros(now)
    values = _CLAIMED.given(
        dialect, [(*name, kind_of_key(name[1]), "", time) for name in sorted(names)]
    )
    locked = await connection.execute(_lock(dialect), values)
    return {(row.district_id, row.fact_key): row.state for row in locked if row.state}


async def read_facts(
    connection: AsyncConnection, names: Collection[FactName]
) -> dict[FactName, str]:
    """Return the states of these facts without locking them."""
    if not names:
        return {}
    dialect = connection.dialect.name
    batch = _NAMES.table(dialect)
    same = and_(batch.c.district_id == fact.c.district_id, batch.c.fact_key == fact.c.fact_key)
    found = await connection.execute(
        select(fact.c.district_id, fact.c.fact_key, fact.c.state).join(batch, same),
        _NAMES.given(dialect, list(names)),
    )
    return {(row.district_id, row.fact_key): row.state for row in found if row.state}


async def store_facts(
    connection: AsyncConnection, states: Mapping[FactName, str], now: dt.datetime
) -> None:
    """Store the new states of facts that this transaction has locked."""
    time = to_micros(now)
    values = [(state, time, *name) for name, state in sorted(states.items())]
    await _STORE.run(connection, values)
