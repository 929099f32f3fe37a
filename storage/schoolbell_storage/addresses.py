"""Where a push goes: what a sender needs of a device, read at the last moment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.kinds import DetailLevel, ProviderEnvironment
from schoolbell_storage.mapping import Mapper
from schoolbell_storage.rows import TEXT, Batch, among, given
from schoolbell_storage.tables import device, user_account


@dataclass(frozen=True, slots=True, kw_only=True)
class PushAddress:
    """A device's sealed address and how its user wants to be told."""

    device_id: str
    user_id: str
    address: bytes
    """Sealed."""
    address_hash: str
    address_time: dt.datetime
    """When this address was registered: a provider's dead-token time before it does not count."""
    fid: bool
    environment: ProviderEnvironment
    registration_ref: str
    locale: str
    detail_level: DetailLevel


_MAPPER = Mapper(PushAddress)
_ADDRESSES = select(device).where(
    among(device.c.device_id, given("device_ids")),
    device.c.retirement_reason.is_(None),
    device.c.address.is_not(None),
)
_USERS = Batch({"district_id": TEXT, "user_id": TEXT})


async def fetch_addresses(
    connection: AsyncConnection, device_ids: Collection[str]
) -> dict[str, PushAddress]:
    """Return the addresses of the live ones among these devices."""
    found = await connection.execute(_ADDRESSES, {"device_ids": device_ids})
    return {row.device_id: _MAPPER.decode(row) for row in found}


async def fetch_given_names(
    connection: AsyncConnection, names: Collection[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """Return what (district_id, user_id) accounts are called: by preferred, else by given name."""
    dialect = connection.dialect.name
    found = await connection.execute(_called(dialect), _USERS.given(dialect, list(names)))
    return {(row.district_id, row.user_id): row.preferred_name or row.given_name for row in found}


@cache
def _called(dialect: str) -> Select[Any]:
    batch = _USERS.table(dialect)
    same = and_(
        batch.c.district_id == user_account.c.district_id,
        batch.c.user_id == user_account.c.user_id,
    )
    return select(
        user_account.c.district_id,
        user_account.c.user_id,
        user_account.c.given_name,
        user_account.c.preferred_name,
    ).join(batch, same)
