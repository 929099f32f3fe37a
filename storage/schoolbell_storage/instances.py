"""Server instances and their leases: a row each, alive until a time of the database's clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from sqlalchemy import BigInteger, ColumnElement, cast, delete, extract, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.claims import HUB
from schoolbell_storage.rows import insert_into
from schoolbell_storage.tables import LEASED, delivery, server_instance


def _now(connection: AsyncConnection) -> ColumnElement[int]:
    """Return the database's own time in microseconds."""
    if connection.dialect.name == "postgresql":
        return cast(extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)
    return cast((func.julianday("now") - 2440587.5) * 86_400_000_000, BigInteger)


async def renew(
    connection: AsyncConnection, instance_id: str, lease: dt.timedelta, *, sends: bool = True
) -> None:
    """Say that an instance lives for another lease, by the database's time.

    `sends`: whether its deliveries leave by it, or it only takes calls.
    """
    until = _now(connection) + lease // dt.timedelta(microseconds=1)
    alive = insert_into(connection.dialect.name, server_instance).values(
        instance_id=instance_id, alive_until=until, sends=sends
    )
    await connection.execute(
        alive.on_conflict_do_update(
            index_elements=["instance_id"], set_={"alive_until": alive.excluded.alive_until}
        )
    )


async def forget(connection: AsyncConnection, instance_ids: Collection[str]) -> None:
    """Drop the rows of instances that are gone."""
    await connection.execute(
        delete(server_instance).where(server_instance.c.instance_id.in_(list(instance_ids)))
    )


async def forget_dead(connection: AsyncConnection, grace: dt.timedelta) -> int:
    """Drop the rows of instances that have been dead for longer than `grace`; return how many.

    Who has no row is as dead as who has an old one: leases that they left are still taken back.
    """
    long_ago = _now(connection) - grace // dt.timedelta(microseconds=1)
    gone = await connection.execute(
        delete(server_instance).where(server_instance.c.alive_until < long_ago)
    )
    return gone.rowcount


async def dead_owners(connection: AsyncConnection, alone: str | None) -> set[str]:
    """Return the owners of leases that are dead now.

    `alone` names the only instance that can be alive (SQLite: one server a data directory);
    None asks the instances' rows.
    """
    # The one condition names the index to SQLite, the other makes it worth taking.
    leased = (LEASED, delivery.c.lease_owner > "", delivery.c.lease_owner != HUB)
    owners = select(delivery.c.lease_owner).where(*leased).distinct()
    if alone is not None:
        owners = owners.where(delivery.c.lease_owner != alone)
    else:
        living = select(server_instance.c.instance_id).where(
            server_instance.c.alive_until >= _now(connection)
        )
        owners = owners.where(delivery.c.lease_owner.not_in(living))
    return set((await connection.execute(owners)).scalars())


async def count_workers(connection: AsyncConnection) -> int:
    """Return how many of the instances that are alive now send."""
    found = await connection.execute(
        select(func.count()).where(
            server_instance.c.sends, server_instance.c.alive_until >= _now(connection)
        )
    )
    return int(found.scalar_one())
