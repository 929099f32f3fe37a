"""Registering a device: one live device an installation and address, whoever holds the phone."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import device_service_pb2
from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.kinds import (
    CancelCause,
    DeliveryState,
    DetailLevel,
    Environment,
    Gate,
    Platform,
    RefusalReason,
    RetirementReason,
)
from schoolbell_server.pipeline.cancelling import cancel_deliveries
from schoolbell_server.status import journal
from schoolbell_storage.deliveries import DeliveryRow, fetch_deliveries
from schoolbell_storage.delivery_queries import DeliveryQuery, list_deliveries
from schoolbell_storage.devices import (
    DeviceRow,
    insert_device,
    lock_registrations,
    lock_rivals,
    retired,
    store_device,
)
from schoolbell_storage.districts import bump_facts

_MOST_UNSENT = 100_000
_UNSENT = (DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.SENDING)
_TAIL = 4  # characters
_RETIRED = Refusal(Gate.DEVICE_USABLE, RefusalReason.DEVICE_RETIRED)


class Sealer(Protocol):
    """Seals small secrets to what they belong to."""

    def seal(self, secret: bytes, associated: bytes) -> bytes:
        """Return the sealed secret."""


class Fingerprints(Protocol):
    """Names an address without telling it."""

    def token_fingerprint(self, app_id: str, address: str) -> str:
        """Return the same text for the same address of the same app."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a mobile backend says of a phone; absent is as stored."""

    district_id: str
    user_id: str
    device: device_service_pb2.Device
    now: dt.datetime

    @property
    def address(self) -> str:
        """Return the address given, or ''."""
        return self.device.token or self.device.fid


class Registrar:
    """Carries registrations out."""

    def __init__(self, sealer: Sealer, fingerprints: Fingerprints) -> None:
        self._sealer = sealer
        self._fingerprints = fingerprints

    async def register(self, connection: AsyncConnection, asked: Registration) -> DeviceRow | None:
        """Register in one transaction; None where a new device comes without platform or address.

        Another user's device on the same installation or address is retired, and what it was
        still to be sent is cancelled.
        """
        device = asked.device
        address_hash = ""
        if asked.address:
            address_hash = self._fingerprints.token_fingerprint(device.app_id, asked.address)
        await lock_registrations(connection, asked.district_id, device.app_id)
        rivals = await lock_rivals(
            connection, asked.district_id, device.app_id, device.installation_id, address_hash
        )
        own = _own(rivals, asked)
        if own is None and not (asked.address and device.platform):
            return None
        if own is not None and own.retirement_reason is not None and not asked.address:
            return None
        losers = [row for row in rivals if row != own and row.retirement_reason is None]
        for row in losers:
            reason = _reason(row, asked)
            await store_device(connection, retired(row, reason, asked.now))
        stored = self._merged(own, asked, address_hash)
        await (insert_device if own is None else store_device)(connection, stored)
        cancelled = await cancel_unsent(
            connection, asked.district_id, losers, CancelCause.USER_CHANGED, asked.now
        )
        if losers or own is None or _matters(own, stored):
            await bump_facts(connection, asked.district_id)
        await journal.record(connection, asked.now, cancelled)
        return stored

    def _merged(self, own: DeviceRow | None, asked: Registration, address_hash: str) -> DeviceRow:
        row = own or _blank(asked)
        device = asked.device
        row = replace(
            row,
            registration_ref=device.registration_ref or row.registration_ref,
            os_version=device.os_version or row.os_version,
            app_version=device.app_version or row.app_version,
            locale=device.locale or row.locale,
            detail_level=DetailLevel(device.detail_level or row.detail_level),
            environment=Environment(device.environment or row.environment),
            retirement_reason=None,
            retire_time=None,
            last_seen_time=asked.now,
            update_time=asked.now,
            version=row.version if own is None else row.version + 1,
        )
        if device.HasField("stay_logged_in"):
            row = replace(row, stay_logged_in=device.stay_logged_in)
        if not asked.address:
            return row
        return replace(
            row,
            platform=Platform(device.platform or row.platform),
            fid=device.WhichOneof("address") == "fid",
            address=self._sealer.seal(asked.address.encode(), row.device_id.encode()),
            address_hash=address_hash,
            address_tail=asked.address[-_TAIL:],
            address_time=asked.now,
        )


async def cancel_unsent(
    connection: AsyncConnection,
    district_id: str,
    devices: Iterable[DeviceRow],
    cause: CancelCause,
    now: dt.datetime,
) -> list[DeliveryRow]:
    """Cancel what these devices were still to be sent; return the snapshots for the journal."""
    ids = [row.device_id for row in devices]
    if not ids:
        return []
    query = DeliveryQuery(
        district_ids=[district_id], device_ids=ids, states=_UNSENT, limit=_MOST_UNSENT
    )
    waiting = await list_deliveries(connection, query)
    names = [row.delivery_id for row in waiting]
    locked = await fetch_deliveries(connection, names, lock=True)
    return await cancel_deliveries(connection, locked.values(), cause, "", now, _RETIRED)


def _own(rivals: Iterable[DeviceRow], asked: Registration) -> DeviceRow | None:
    """Return the device that the user has, or had, on this installation."""
    return next(
        (
            row
            for row in rivals
            if row.user_id == asked.user_id and row.installation_id == asked.device.installation_id
        ),
        None,
    )


def _reason(row: DeviceRow, asked: Registration) -> RetirementReason:
    if row.user_id == asked.user_id:
        return RetirementReason.TOKEN_REPLACED
    return RetirementReason.USER_CHANGED


def _blank(asked: Registration) -> DeviceRow:
    device = asked.device
    return DeviceRow(
        device_id=str(uuid.uuid4()),
        district_id=asked.district_id,
        app_id=device.app_id,
        user_id=asked.user_id,
        installation_id=device.installation_id,
        platform=Platform(device.platform),
        environment=Environment.PRODUCTION,
        fid=False,
        address=None,
        address_hash="",
        address_tail="",
        registration_ref="",
        os_version="",
        app_version="",
        locale="",
        stay_logged_in=False,
        detail_level=DetailLevel.DETAILED,
        register_time=asked.now,
        address_time=asked.now,
        last_seen_time=asked.now,
        update_time=asked.now,
    )


def _matters(before: DeviceRow, after: DeviceRow) -> bool:
    """Return whether a decision could be another now: not for a phone that was merely seen."""
    ignored = {
        "last_seen_time": after.last_seen_time,
        "update_time": after.update_time,
        "address_time": after.address_time,
        "address": after.address,
        "version": after.version,
    }
    return replace(before, **ignored) != after  # type: ignore[arg-type]
