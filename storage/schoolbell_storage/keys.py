"""API keys: stored hashed, revocable, scoped."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, exists, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.codec import to_micros
from schoolbell_storage.mapping import Mapper
from schoolbell_storage.rows import among
from schoolbell_storage.tables import api_key, api_key_district

EVERY_DISTRICT = "-"
"""In place of a district id: every district."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRow:
    """A key as stored; the secret itself is nowhere."""

    key_id: str
    district_ids: tuple[str, ...]
    """By id; '-' alone is every district."""
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
    request_id: str = ""
    """The creator's id of the request that made it; empty if none was given."""
    request_hash: str = ""
    """What was asked for under the request id, hashed."""


async def insert_key(connection: AsyncConnection, key: ApiKeyRow) -> None:
    """Store a new key."""
    await connection.execute(insert(api_key).values(_MAPPER.values(key)))
    await connection.execute(
        insert(api_key_district),
        [{"district_id": one, "key_id": key.key_id} for one in key.district_ids],
    )


async def find_key(connection: AsyncConnection, key_id: str) -> ApiKeyRow | None:
    """Return a key, also a revoked or expired one."""
    row = (await connection.execute(select(api_key).where(api_key.c.key_id == key_id))).first()
    return None if row is None else (await _decode_all(connection, [row]))[0]


async def newest_key_ids(connection: AsyncConnection, limit: int) -> Sequence[str]:
    """Return the ids of the keys that were made last, revoked ones among them."""
    wanted = select(api_key.c.key_id).order_by(api_key.c.create_time.desc()).limit(limit)
    return (await connection.execute(wanted)).scalars().all()


async def find_requested(
    connection: AsyncConnection, creator: str, request_id: str, since: dt.datetime
) -> ApiKeyRow | None:
    """Return the key that a caller made under a request id after a time, or None."""
    found = await connection.execute(
        select(api_key)
        .where(
            api_key.c.creator == creator,
            api_key.c.request_id == request_id,
            api_key.c.create_time > to_micros(since),
        )
        .order_by(api_key.c.create_time.desc())
        .limit(1)
        .with_for_update()
    )
    row = found.first()
    return None if row is None else (await _decode_all(connection, [row]))[0]


async def replace_secret(
    connection: AsyncConnection, key_id: str, secret_hash: str, secret_tail: str
) -> None:
    """Give a key another secret; the old one is good no more."""
    await connection.execute(
        update(api_key)
        .where(api_key.c.key_id == key_id)
        .values(secret_hash=secret_hash, secret_tail=secret_tail)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyQuery:
    """Which keys to list, by key id; what is empty is all."""

    district_id: str
    """'-' is the keys of all districts."""
    role: int = 0
    user_id: str = ""
    living_at: dt.datetime | None = None
    """Leave out those that were revoked, or have expired by this time."""
    after: str = ""
    """The id of the last key of the page before."""
    limit: int = 50


async def list_keys(connection: AsyncConnection, query: KeyQuery) -> Sequence[ApiKeyRow]:
    """Return a page of keys."""
    wanted = select(api_key).where(api_key.c.key_id > query.after)
    if query.district_id != EVERY_DISTRICT:
        here = select(api_key_district.c.key_id).where(
            api_key_district.c.district_id == query.district_id
        )
        wanted = wanted.where(api_key.c.key_id.in_(here))
    if query.role:
        wanted = wanted.where(api_key.c.role == query.role)
    if query.user_id:
        wanted = wanted.where(api_key.c.user_id == query.user_id)
    if query.living_at is not None:
        wanted = wanted.where(*_living(query.living_at))
    found = await connection.execute(wanted.order_by(api_key.c.key_id).limit(query.limit))
    return await _decode_all(connection, found.all())


async def has_key(
    connection: AsyncConnection,
    district_id: str,
    role: int,
    now: dt.datetime,
    user_ids: Collection[str] | None = None,
) -> bool:
    """Return whether a key of a role is good for a district; `user_ids` narrows it to theirs."""
    here = select(api_key_district.c.key_id).where(api_key_district.c.district_id == district_id)
    wanted = select(api_key.c.key_id).where(
        api_key.c.key_id.in_(here), api_key.c.role == role, *_living(now)
    )
    if user_ids is not None:
        wanted = wanted.where(among(api_key.c.user_id, user_ids))
    return (await connection.execute(wanted.limit(1))).first() is not None


async def revoke_key(connection: AsyncConnection, key_id: str, now: dt.datetime) -> None:
    """Revoke a key; one that is revoked stays as it is."""
    await connection.execute(
        update(api_key)
        .where(api_key.c.key_id == key_id, api_key.c.revoke_time.is_(None))
        .values(revoke_time=to_micros(now))
    )


async def take_from_keys(
    connection: AsyncConnection, district_id: str, key_ids: Collection[str]
) -> None:
    """Take a district from keys, and delete those that are for no other."""
    place, named = api_key_district.c, among(api_key_district.c.key_id, key_ids)
    await connection.execute(
        delete(api_key_district).where(place.district_id == district_id, named)
    )
    left = exists().where(place.key_id == api_key.c.key_id)
    await connection.execute(delete(api_key).where(among(api_key.c.key_id, key_ids), ~left))


def _living(now: dt.datetime) -> tuple[ColumnElement[bool], ...]:
    lasting = or_(api_key.c.expire_time.is_(None), api_key.c.expire_time > to_micros(now))
    return api_key.c.revoke_time.is_(None), lasting


async def _decode_all(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> list[ApiKeyRow]:
    """Return keys with their districts."""
    places = await connection.execute(
        select(api_key_district)
        .where(among(api_key_district.c.key_id, [row.key_id for row in rows]))
        .order_by(api_key_district.c.district_id)
    )
    districts: dict[str, list[str]] = {row.key_id: [] for row in rows}
    for place in places:
        districts[place.key_id].append(place.district_id)
    return [_MAPPER.decode(row, district_ids=tuple(districts[row.key_id])) for row in rows]


_MAPPER = Mapper(ApiKeyRow, without={"district_ids"})
