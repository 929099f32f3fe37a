"""Devices: an installed app of one user, with its sealed address."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, and_, insert, select, text, union, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.kinds import (
    DetailLevel,
    Platform,
    ProviderEnvironment,
    RetirementReason,
)
from schoolbell_storage.codec import to_micros
from schoolbell_storage.deliveries import UNSENT
from schoolbell_storage.mapping import Mapper
from schoolbell_storage.rows import NUMBER, TEXT, Batch, among, among_district
from schoolbell_storage.tables import delivery, device


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """A device as stored; a retired one keeps no address."""

    device_id: str
    district_id: str
    app_id: str
    user_id: str
    installation_id: str
    platform: Platform
    environment: ProviderEnvironment
    fid: bool
    address: bytes | None
    address_hash: str
    address_tail: str
    registration_ref: str
    os_version: str
    app_version: str
    locale: str
    stay_logged_in: bool
    muted: bool
    detail_level: DetailLevel
    register_time: dt.datetime
    address_time: dt.datetime
    """When this address was last registered: what died before that is not this one."""
    last_seen_time: dt.datetime
    update_time: dt.datetime
    retirement_reason: RetirementReason | None = None
    retire_time: dt.datetime | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class DeadToken:
    """An address that its provider says is dead, and since when."""

    app_id: str
    address_hash: str
    dead_since: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a registration lays claim to: an installation, and an address where it names one."""

    user_id: str
    installation_id: str
    address_hash: str = ""


async def lock_registrations(connection: AsyncConnection, district_id: str, app_id: str) -> None:
    """Let registrations of an app come one after the other; the first lock of a transaction.

    SQLite's one writer does this by itself.
    """
    if connection.dialect.name == "postgresql":
        name = f"{district_id}/{app_id}"
        await connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": name}
        )


async def lock_rivals(
    connection: AsyncConnection, district_id: str, app_id: str, claims: Collection[Claim]
) -> list[DeviceRow]:
    """Lock the users' own devices of the installations and all live rivals, in order of id.

    Of several claims these are some more: a user's retired device of another's installation.
    """
    found = await connection.execute(rivals(district_id, app_id, claims))
    return [_MAPPER.decode(row) for row in found if row.app_id == app_id]


def rivals(district_id: str, app_id: str, claims: Collection[Claim]) -> Select[Any]:
    """Return what `lock_rivals` runs."""
    same_app = and_(device.c.district_id == district_id, device.c.app_id == app_id)
    live = and_(same_app, device.c.retirement_reason.is_(None))
    users = {claim.user_id for claim in claims}
    hashes = {claim.address_hash for claim in claims} - {""}
    claimed = among(device.c.installation_id, {claim.installation_id for claim in claims})
    # One arm an index: a disjunction would read every device of the district.
    names = union(
        select(device.c.device_id).where(
            # Of any app, for SQLite takes an index that begins with the app for the better one.
            among_district(device.c.user_id, district_id, users),
            claimed,
        ),
        select(device.c.device_id).where(live, claimed),
        select(device.c.device_id).where(live, among(device.c.address_hash, hashes)),
    )
    return (
        select(device)
        .where(device.c.device_id.in_(names))
        .order_by(device.c.device_id)
        .with_for_update()
    )


async def insert_devices(connection: AsyncConnection, new: Sequence[DeviceRow]) -> None:
    """Store new devices."""
    await connection.execute(insert(device), [_MAPPER.values(row) for row in new])


async def store_device(connection: AsyncConnection, row: DeviceRow) -> None:
    """Store a device that this transaction has locked."""
    await connection.execute(
        update(device).where(device.c.device_id == row.device_id).values(_MAPPER.values(row))
    )


async def get_device(
    connection: AsyncConnection,
    district_id: str,
    user_id: str,
    device_id: str,
    *,
    lock: bool = False,
) -> DeviceRow | None:
    """Return a user's device; None where it is not theirs."""
    wanted = select(device).where(
        device.c.device_id == device_id,
        device.c.district_id == district_id,
        device.c.user_id == user_id,
    )
    row = (await connection.execute(wanted.with_for_update() if lock else wanted)).first()
    return None if row is None else _MAPPER.decode(row)


async def owner_of(connection: AsyncConnection, district_id: str, device_id: str) -> str | None:
    """Return whose a device is, or was when it was retired; None where there is no such device."""
    found = await connection.execute(
        select(device.c.user_id).where(
            device.c.device_id == device_id, device.c.district_id == district_id
        )
    )
    owner: str | None = found.scalar()
    return owner


async def list_devices(
    connection: AsyncConnection,
    district_id: str,
    user_id: str,
    after: str,
    limit: int,
    *,
    include_retired: bool = False,
) -> Sequence[DeviceRow]:
    """Return a page of a user's devices by id."""
    wanted = select(device).where(
        device.c.district_id == district_id,
        device.c.user_id == user_id,
        device.c.device_id > after,
    )
    if not include_retired:
        wanted = wanted.where(device.c.retirement_reason.is_(None))
    found = await connection.execute(wanted.order_by(device.c.device_id).limit(limit))
    return [_MAPPER.decode(row) for row in found]


async def lock_live_devices(
    connection: AsyncConnection, district_id: str, user_id: str
) -> list[DeviceRow]:
    """Lock a user's live devices in order of id."""
    found = await connection.execute(
        select(device)
        .where(
            device.c.district_id == district_id,
            device.c.user_id == user_id,
            device.c.retirement_reason.is_(None),
        )
        .order_by(device.c.device_id)
        .with_for_update()
    )
    return [_MAPPER.decode(row) for row in found]


async def unsent_deliveries(connection: AsyncConnection, device_ids: Collection[str]) -> list[str]:
    """Return the ids of what these devices are still to be sent, also what is with a sender."""
    found = await connection.execute(
        select(delivery.c.delivery_id).where(
            among(delivery.c.device_id, device_ids), delivery.c.state.in_(UNSENT)
        )
    )
    return list(found.scalars())


async def retire_dead(
    connection: AsyncConnection, tokens: Collection[DeadToken], now: dt.datetime
) -> set[str]:
    """Retire the devices of dead addresses in all districts; return the districts touched.

    One that registered its address at the provider's time or later is alive and stays. The
    caller bumps the districts' facts, after the deliveries that it locks: see `bump_facts`.
    """
    if not tokens:
        return set()
    values = [(one.app_id, one.address_hash, to_micros(one.dead_since)) for one in tokens]
    batch = Batch({"app_id": TEXT, "address_hash": TEXT, "dead_since": NUMBER})
    rows = batch.table(connection.dialect.name)
    dead = and_(
        rows.c.app_id == device.c.app_id,
        rows.c.address_hash == device.c.address_hash,
        rows.c.dead_since > device.c.address_time,
    )
    found = await connection.execute(
        select(device)
        .join(rows, dead)
        .where(device.c.retirement_reason.is_(None))
        .order_by(device.c.device_id)
        .with_for_update(of=device),
        batch.given(connection.dialect.name, values),
    )
    lost = {row.device_id: _MAPPER.decode(row) for row in found}
    for row in lost.values():
        await store_device(connection, retired(row, RetirementReason.TOKEN_DEAD, now))
    return {row.district_id for row in lost.values()}


async def lock_unheard(
    connection: AsyncConnection, before: dt.datetime, limit: int
) -> list[DeviceRow]:
    """Lock live devices last heard of before a time; what somebody else has locked is left out."""
    found = await connection.execute(
        select(device)
        .where(device.c.retirement_reason.is_(None), device.c.last_seen_time < to_micros(before))
        .order_by(device.c.last_seen_time)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [_MAPPER.decode(row) for row in found]


def retired(row: DeviceRow, reason: RetirementReason, now: dt.datetime) -> DeviceRow:
    """Return a device as retired: without its address."""
    return replace(
        row,
        retirement_reason=reason,
        retire_time=now,
        address=None,
        address_hash="",
        version=row.version + 1,
        update_time=now,
    )


_MAPPER = Mapper(DeviceRow)
