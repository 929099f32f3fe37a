"""Registering devices: one live device an installation and address, whoever holds the phone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.contract.devices import GivenAddress
from schoolbell_server.dispatch.cancelling import RETIRED, cancel_unsent
from schoolbell_server.domain.kinds import CancelCause, RetirementReason
from schoolbell_server.domain.transitions import Cancellation
from schoolbell_server.rpc.errors import InvalidFields
from schoolbell_server.security.fingerprint import TokenFingerprints
from schoolbell_server.security.sealer import Sealer
from schoolbell_server.servicers.device.registered_device import (
    Group,
    Registration,
    matters,
    merged,
    refuse_unfit,
)
from schoolbell_server.status import journal
from schoolbell_storage.devices import (
    Claim,
    DeviceRow,
    insert_devices,
    lock_registrations,
    lock_rivals,
    retired,
    store_device,
)
from schoolbell_storage.districts import bump_facts

_TAIL = 4  # characters


class Registrar:
    """Carries registrations out."""

    def __init__(self, sealer: Sealer, fingerprints: TokenFingerprints) -> None:
        self._sealer = sealer
        self._fingerprints = fingerprints

    async def register(
        self, connection: AsyncConnection, group: Group
    ) -> list[DeviceRow | InvalidFields]:
        """Register in one transaction; InvalidFields where a device does not fit what is stored.

        Other users' devices on the same installation or address are retired, and what they were
        still to be sent is cancelled. Locks are taken once for the whole group, in the order of
        every other writer: the app, devices by id, deliveries, the district.
        """
        await lock_registrations(connection, group.district_id, group.app_id)
        claims = [self._claim(group, one) for one in group.asked]
        locked = await lock_rivals(connection, group.district_id, group.app_id, claims)
        work = _Work(group, {row.device_id: row for row in locked}, {})
        answers: list[DeviceRow | InvalidFields] = []
        for asked, claim in zip(group.asked, claims, strict=True):
            try:
                answers.append(await self._take(connection, work, asked, claim))
            except InvalidFields as error:
                answers.append(error)
        cancelled = await cancel_unsent(connection, work.stops, group.now)
        if work.matters:
            await bump_facts(connection, group.district_id)
        await journal.record(connection, group.now, cancelled)
        return answers

    async def _take(
        self, connection: AsyncConnection, work: _Work, asked: Registration, claim: Claim
    ) -> DeviceRow:
        """Carry one registration out; InvalidFields leaves everything as it is."""
        own = _own(work.rows.values(), claim)
        refuse_unfit(own, asked)
        losers = [row for row in work.rows.values() if row != own and _loses(row, claim)]
        for row in losers:
            work.rows[row.device_id] = retired(row, _reason(row, asked.user_id), work.group.now)
            work.stops[row.device_id] = _stop(row, asked.user_id)
            await store_device(connection, work.rows[row.device_id])
        stored = merged(own, work.group, asked)
        if asked.address is not None:
            stored = self._addressed(stored, asked.address, claim.address_hash, work.group.now)
        if own is None:
            await insert_devices(connection, [stored])
        else:
            await store_device(connection, stored)
        work.rows[stored.device_id] = stored
        work.matters |= bool(losers) or own is None or matters(own, stored)
        return stored

    def _claim(self, group: Group, asked: Registration) -> Claim:
        address_hash = ""
        if asked.address is not None:
            text = asked.address.text
            address_hash = self._fingerprints.token_fingerprint(group.app_id, text)
        return Claim(
            user_id=asked.user_id,
            installation_id=asked.device.installation_id,
            address_hash=address_hash,
        )

    def _addressed(
        self, row: DeviceRow, address: GivenAddress, address_hash: str, now: dt.datetime
    ) -> DeviceRow:
        return replace(
            row,
            fid=address.is_installation_id,
            environment=address.environment,
            address=self._sealer.seal(address.text.encode(), row.device_id.encode()),
            address_hash=address_hash,
            address_tail=address.text[-_TAIL:],
            address_time=now,
        )


@dataclass(slots=True)
class _Work:
    """A group under way."""

    group: Group
    rows: dict[str, DeviceRow]
    """Every device that a registration of the group may touch, as it is by now."""
    stops: dict[str, Cancellation]
    matters: bool = False
    """A decision could be another now."""


def _own(rows: Iterable[DeviceRow], claim: Claim) -> DeviceRow | None:
    """Return the device that the user has, or had, on this installation."""
    mine = (claim.user_id, claim.installation_id)
    return next((row for row in rows if (row.user_id, row.installation_id) == mine), None)


def _loses(row: DeviceRow, claim: Claim) -> bool:
    """Return whether a device stands where the claimant's is to be; a live one has an address."""
    if row.retirement_reason is not None:
        return False
    return row.installation_id == claim.installation_id or row.address_hash == claim.address_hash


def _reason(row: DeviceRow, user_id: str) -> RetirementReason:
    if row.user_id == user_id:
        return RetirementReason.TOKEN_REPLACED
    return RetirementReason.USER_CHANGED


def _stop(row: DeviceRow, user_id: str) -> Cancellation:
    return RETIRED if row.user_id == user_id else Cancellation(cause=CancelCause.USER_CHANGED)
