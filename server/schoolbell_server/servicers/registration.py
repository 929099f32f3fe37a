"""Registering a device: one live device an installation and address, whoever holds the phone."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import device_service_pb2
from schoolbell_server.contract.devices import Address, read_address
from schoolbell_server.domain.kinds import (
    CancelCause,
    DetailLevel,
    Platform,
    ProviderEnvironment,
    RetirementReason,
)
from schoolbell_server.domain.locales import language_tag
from schoolbell_server.pipeline.cancelling import RETIRED, Stop, cancel_unsent
from schoolbell_server.rpc.validation import REQUIRED, Violations
from schoolbell_server.status import journal
from schoolbell_storage.devices import (
    Claim,
    DeviceRow,
    insert_devices,
    lock_registrations,
    lock_rivals,
    retired,
    store_device,
    stored_platform,
)
from schoolbell_storage.districts import bump_facts

_TAIL = 4  # characters


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
    address: device_service_pb2.DeviceAddress
    now: dt.datetime

    @property
    def claim(self) -> Claim:
        """Return what it lays claim to, as yet without an address."""
        return Claim(
            district_id=self.district_id,
            app_id=self.device.app_id,
            user_id=self.user_id,
            installation_id=self.device.installation_id,
        )


class Registrar:
    """Carries registrations out."""

    def __init__(self, sealer: Sealer, fingerprints: Fingerprints) -> None:
        self._sealer = sealer
        self._fingerprints = fingerprints

    async def register(self, connection: AsyncConnection, asked: Registration) -> DeviceRow:
        """Register in one transaction; InvalidFields where the device does not fit what is stored.

        Another user's device on the same installation or address is retired, and what it was
        still to be sent is cancelled.
        """
        device, claim = asked.device, asked.claim
        await lock_registrations(connection, asked.district_id, device.app_id)
        known = await stored_platform(connection, claim)
        address = _address(asked, known)
        if address:
            address_hash = self._fingerprints.token_fingerprint(device.app_id, address.text)
            claim = replace(claim, address_hash=address_hash)
        rivals = await lock_rivals(connection, claim)
        own = _own(rivals, claim)
        _refuse_unfit(own, device, address)
        losers = [row for row in rivals if row != own and row.retirement_reason is None]
        for row in losers:
            reason = _reason(row, asked.user_id)
            await store_device(connection, retired(row, reason, asked.now))
        stored = _merged(own, asked)
        if address:
            stored = self._addressed(stored, asked, address, claim.address_hash)
        if own is None:
            await insert_devices(connection, [stored])
        else:
            await store_device(connection, stored)
        stops = {row.device_id: _stop(row, asked.user_id) for row in losers}
        cancelled = await cancel_unsent(connection, stops, asked.now)
        if losers or own is None or _matters(own, stored):
            await bump_facts(connection, asked.district_id)
        await journal.record(connection, asked.now, cancelled)
        return stored

    def _addressed(
        self, row: DeviceRow, asked: Registration, address: Address, address_hash: str
    ) -> DeviceRow:
        return replace(
            row,
            fid=address.is_installation_id,
            environment=address.environment,
            address=self._sealer.seal(address.text.encode(), row.device_id.encode()),
            address_hash=address_hash,
            address_tail=address.text[-_TAIL:],
            address_time=asked.now,
        )


def _merged(own: DeviceRow | None, asked: Registration) -> DeviceRow:
    row = own or _blank(asked)
    device = asked.device
    row = replace(
        row,
        registration_ref=device.registration_ref or row.registration_ref,
        os_version=device.os_version or row.os_version,
        app_version=device.app_version or row.app_version,
        locale=language_tag(device.locale) or row.locale,
        detail_level=DetailLevel(device.detail_level or row.detail_level),
        retirement_reason=None,
        retire_time=None,
        last_seen_time=asked.now,
        update_time=asked.now,
        version=row.version if own is None else row.version + 1,
    )
    if device.HasField("stay_logged_in"):
        row = replace(row, stay_logged_in=device.stay_logged_in)
    return row


def _address(asked: Registration, known: Platform | None) -> Address | None:
    """Return the address that is asked for; InvalidFields where it does not fit the platform."""
    platform = known or (Platform(asked.device.platform) if asked.device.platform else None)
    if platform is None:
        return None  # a first registration without a platform is refused with what else it lacks
    violations = Violations()
    address = read_address(asked.address, platform, "address.", violations.add)
    violations.refuse()
    return address


def _refuse_unfit(
    own: DeviceRow | None, device: device_service_pb2.Device, address: Address | None
) -> None:
    """Refuse a first registration that lacks something, and another platform later."""
    violations = Violations()
    if own is None and not device.platform:
        violations.add("device.platform", REQUIRED)
    if own is not None and device.platform not in (0, own.platform):
        violations.add("device.platform", f"is {own.platform.name} and cannot be changed")
    if not (own and own.address) and address is None:
        violations.add("address", f"{REQUIRED} for a device that has no address yet")
    violations.refuse()


def _own(rivals: Iterable[DeviceRow], claim: Claim) -> DeviceRow | None:
    """Return the device that the user has, or had, on this installation."""
    mine = (claim.user_id, claim.installation_id)
    return next((row for row in rivals if (row.user_id, row.installation_id) == mine), None)


def _reason(row: DeviceRow, user_id: str) -> RetirementReason:
    if row.user_id == user_id:
        return RetirementReason.TOKEN_REPLACED
    return RetirementReason.USER_CHANGED


def _stop(row: DeviceRow, user_id: str) -> Stop:
    return RETIRED if row.user_id == user_id else Stop(CancelCause.USER_CHANGED)


def _blank(asked: Registration) -> DeviceRow:
    device = asked.device
    return DeviceRow(
        device_id=str(uuid.uuid4()),
        district_id=asked.district_id,
        app_id=device.app_id,
        user_id=asked.user_id,
        installation_id=device.installation_id,
        platform=Platform(device.platform),
        environment=ProviderEnvironment.PRODUCTION,
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
