"""Devices: an installed app of one user, with its sealed address."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import Row, and_, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.kinds import DetailLevel, Environment, Platform, RetirementReason
from schoolbell_storage.codec import from_micros, optional_micros, optional_time, to_micros
from schoolbell_storage.tables import device


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """A device as stored; a retired one keeps no address."""

    device_id: str
    district_id: str
    app_id: str
    user_id: str
    installation_id: str
    platform: Platform
    environment: Environment
    fid: bool
    address: bytes | None
    address_hash: str
    address_tail: str
    registration_ref: str
    os_version: str
    app_version: str
    locale: str
    stay_logged_in: bool
    detail_level: DetailLevel
    register_time: dt.datetime
    address_time: dt.datetime
    """When this address was last registered: what died before that is not this one."""
    last_seen_time: dt.datetime
    update_time: dt.datetime
    retirement_reason: RetirementReason | None = None
    retire_time: dt.datetime | None = None
    version: int = 1
    subscriptions_version: int = 1


@dataclass(frozen=True, slots=True)
class DeadToken:
    """An address that its provider says is dead, and since when."""

    app_id: str
    address_hash: str
    dead_since: dt.datetime


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
    connection: AsyncConnection,
    district_id: str,
    app_id: str,
    installation_id: str,
    address_hash: str,
) -> list[DeviceRow]:
    """Lock the devices of an installation, and the live ones of an address, in order of id."""
    same_address = and_(
        device.c.address_hash == address_hash,
        device.c.address_hash != "",
        device.c.retirement_reason.is_(None),
    )
    found = await connection.execute(
        select(device)
        .where(
            device.c.district_id == district_id,
            device.c.app_id == app_id,
            or_(device.c.installation_id == installation_id, same_address),
        )
        .order_by(device.c.device_id)
        .with_for_update()
    )
    return [_decode(row) for row in found]


async def insert_device(connection: AsyncConnection, row: DeviceRow) -> None:
    """Store a new device."""
    await connection.execute(insert(device).values(_values(row)))


async def store_device(connection: AsyncConnection, row: DeviceRow) -> None:
    """Store a device that this transaction has locked."""
    await connection.execute(
        update(device).where(device.c.device_id == row.device_id).values(_values(row))
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
    return None if row is None else _decode(row)


async def list_devices(
    connection: AsyncConnection, district_id: str, user_id: str, after: str, limit: int
) -> Sequence[DeviceRow]:
    """Return a page of a user's devices by id, retired ones too."""
    found = await connection.execute(
        select(device)
        .where(
            device.c.district_id == district_id,
            device.c.user_id == user_id,
            device.c.device_id > after,
        )
        .order_by(device.c.device_id)
        .limit(limit)
    )
    return [_decode(row) for row in found]


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
    return [_decode(row) for row in found]


async def retire_dead(
    connection: AsyncConnection, tokens: Collection[DeadToken], now: dt.datetime
) -> set[str]:
    """Retire the devices of dead addresses in all districts; return the districts touched.

    One that registered its address after the provider's time is alive and stays.
    """
    if not tokens:
        return set()
    dead = [
        and_(
            device.c.app_id == token.app_id,
            device.c.address_hash == token.address_hash,
            device.c.address_time <= to_micros(token.dead_since),
        )
        for token in sorted(tokens, key=lambda token: (token.app_id, token.address_hash))
    ]
    found = await connection.execute(
        select(device)
        .where(device.c.retirement_reason.is_(None), or_(*dead))
        .order_by(device.c.device_id)
        .with_for_update()
    )
    rows = [_decode(row) for row in found]
    for row in rows:
        await store_device(connection, retired(row, RetirementReason.TOKEN_DEAD, now))
    return {row.district_id for row in rows}


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


async def count_live(connection: AsyncConnection, district_id: str) -> int:
    """Return how many live devices a district has."""
    counted = select(func.count()).where(
        device.c.district_id == district_id, device.c.retirement_reason.is_(None)
    )
    return int((await connection.execute(counted)).scalar_one())


_TIMES = ("register_time", "address_time", "last_seen_time", "update_time")


def _values(row: DeviceRow) -> dict[str, Any]:
    values: dict[str, Any] = {one.name: getattr(row, one.name) for one in fields(row)}
    for name in _TIMES:
        values[name] = to_micros(values[name])
    values["retire_time"] = optional_micros(row.retire_time)
    for name in ("platform", "environment", "detail_level"):
        values[name] = int(values[name])
    reason = row.retirement_reason
    values["retirement_reason"] = None if reason is None else int(reason)
    return values


def _decode(row: Row[Any]) -> DeviceRow:
    reason = row.retirement_reason
    return DeviceRow(
        device_id=row.device_id,
        district_id=row.district_id,
        app_id=row.app_id,
        user_id=row.user_id,
        installation_id=row.installation_id,
        platform=Platform(row.platform),
        environment=Environment(row.environment),
        fid=row.fid,
        address=row.address,
        address_hash=row.address_hash,
        address_tail=row.address_tail,
        registration_ref=row.registration_ref,
        os_version=row.os_version,
        app_version=row.app_version,
        locale=row.locale,
        stay_logged_in=row.stay_logged_in,
        detail_level=DetailLevel(row.detail_level),
        register_time=from_micros(row.register_time),
        address_time=from_micros(row.address_time),
        last_seen_time=from_micros(row.last_seen_time),
        update_time=from_micros(row.update_time),
        retirement_reason=None if reason is None else RetirementReason(reason),
        retire_time=optional_time(row.retire_time),
        version=row.version,
        subscriptions_version=row.subscriptions_version,
    )
