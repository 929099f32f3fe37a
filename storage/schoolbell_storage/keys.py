"""API keys: stored hashed, revocable, scoped."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.codec import from_micros, optional_micros, optional_time, to_json, to_micros
from schoolbell_storage.tables import api_key


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRow:
    """A key as stored; the secret itself is nowhere."""

    key_id: str
    district_id: str
    """'-' is every district."""
    role: int
    user_id: str
    """The person whose tool rights an administrator's key has."""
    secret_tail: str
    sources: tuple[str, ...]
    display_name: str
    secret_hash: str
    create_time: dt.datetime
    creator: str
    expire_time: dt.datetime | None = None
    revoke_time: dt.datetime | None = None
    last_use_time: dt.datetime | None = None


async def insert_key(connection: AsyncConnection, key: ApiKeyRow) -> None:
    """Store a new key."""
    await connection.execute(
        insert(api_key).values(
            key_id=key.key_id,
            district_id=key.district_id,
            role=key.role,
            user_id=key.user_id,
            secret_tail=key.secret_tail,
            sources=to_json(list(key.sources)),
            display_name=key.display_name,
            secret_hash=key.secret_hash,
            create_time=to_micros(key.create_time),
            creator=key.creator,
            expire_time=optional_micros(key.expire_time),
        )
    )


async def find_key(connection: AsyncConnection, key_id: str) -> ApiKeyRow | None:
    """Return a key, also a revoked or expired one."""
    row = (await connection.execute(select(api_key).where(api_key.c.key_id == key_id))).first()
    return None if row is None else _decode(row)


async def newest_key_ids(connection: AsyncConnection, limit: int) -> Sequence[str]:
    """Return the ids of the keys that were made last, revoked ones among them."""
    wanted = select(api_key.c.key_id).order_by(api_key.c.create_time.desc()).limit(limit)
    return (await connection.execute(wanted)).scalars().all()


async def list_keys(
    connection: AsyncConnection,
    district_id: str,
    after: str,
    limit: int,
    living_at: dt.datetime | None = None,
) -> Sequence[ApiKeyRow]:
    """Return a page of a district's keys by key id; `living_at` leaves out those that ended."""
    wanted = select(api_key).where(api_key.c.district_id == district_id, api_key.c.key_id > after)
    if living_at is not None:
        lasting = or_(api_key.c.expire_time.is_(None), api_key.c.expire_time > to_micros(living_at))
        wanted = wanted.where(api_key.c.revoke_time.is_(None), lasting)
    found = await connection.execute(wanted.order_by(api_key.c.key_id).limit(limit))
    return [_decode(row) for row in found]


async def revoke_key(
    connection: AsyncConnection, district_id: str, key_id: str, now: dt.datetime
) -> ApiKeyRow | None:
    """Revoke a key once and return it; None where the district has no such key."""
    await connection.execute(
        update(api_key)
        .where(
            api_key.c.key_id == key_id,
            api_key.c.district_id == district_id,
            api_key.c.revoke_time.is_(None),
        )
        .values(revoke_time=to_micros(now))
    )
    key = await find_key(connection, key_id)
    return key if key is not None and key.district_id == district_id else None


def _decode(row: Row[Any]) -> ApiKeyRow:
    return ApiKeyRow(
        key_id=row.key_id,
        district_id=row.district_id,
        role=row.role,
        user_id=row.user_id,
        secret_tail=row.secret_tail,
        sources=tuple(json.loads(row.sources)),
        display_name=row.display_name,
        secret_hash=row.secret_hash,
        create_time=from_micros(row.create_time),
        creator=row.creator,
        expire_time=optional_time(row.expire_time),
        revoke_time=optional_time(row.revoke_time),
        last_use_time=optional_time(row.last_use_time),
    )
