"""What a registration makes of a device's row, and what it must not."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from schoolbell.v1 import device_service_pb2
from schoolbell_server.contract.devices import ADDRESS_FIELDS, GivenAddress
from schoolbell_server.domain.kinds import DetailLevel, Platform, ProviderEnvironment
from schoolbell_server.domain.locales import language_tag
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.validation import REQUIRED, Violations
from schoolbell_storage.devices import DeviceRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a mobile backend says of a phone; absent is as stored."""

    user_id: str
    device: device_service_pb2.Device
    address: GivenAddress | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Registrations of one app of a district, in the order in which they take effect."""

    district_id: str
    app_id: str
    now: dt.datetime
    asked: Sequence[Registration]


def merged(own: DeviceRow | None, group: Group, asked: Registration) -> DeviceRow:
    """Return a device as registered, but for its address; None is a new one."""
    row = own or _blank(group, asked)
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
        last_seen_time=group.now,
        update_time=group.now,
        version=row.version if own is None else row.version + 1,
    )
    if device.HasField("stay_logged_in"):
        row = replace(row, stay_logged_in=device.stay_logged_in)
    if device.HasField("muted"):
        row = replace(row, muted=device.muted)
    return row


def refuse_unfit(own: DeviceRow | None, asked: Registration) -> None:
    """Refuse a first registration that lacks something, and another platform later."""
    violations = Violations()
    said = Platform(asked.device.platform) if asked.device.platform else None
    platform = said if own is None else own.platform
    if platform is None:
        violations.add("device.platform", REQUIRED, reasons.REQUIRED)
    elif said not in (None, platform):
        violations.add(
            "device.platform", f"is {platform.name} and cannot be changed", reasons.IMMUTABLE
        )
    if asked.address is None:
        if own is None or not own.address:
            violations.add(
                "address", f"{REQUIRED} for a device that has no address yet", reasons.REQUIRED
            )
    elif platform is not None and asked.address.target != ADDRESS_FIELDS[platform]:
        field = f"address.{asked.address.target}"
        fitting = ADDRESS_FIELDS[platform]
        violations.add(
            field,
            f"does not fit the platform {platform.name}, which has {fitting}",
            reasons.INCONSISTENT,
        )
    violations.refuse()


def matters(before: DeviceRow, after: DeviceRow) -> bool:
    """Return whether a decision could be another now: not for a phone that was merely seen."""
    ignored = {
        "last_seen_time": after.last_seen_time,
        "update_time": after.update_time,
        "address_time": after.address_time,
        "address": after.address,
        "version": after.version,
    }
    return replace(before, **ignored) != after  # type: ignore[arg-type]


def _blank(group: Group, asked: Registration) -> DeviceRow:
    device, now = asked.device, group.now
    return DeviceRow(
        device_id=str(uuid.uuid4()),
        district_id=group.district_id,
        app_id=group.app_id,
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
        muted=False,
        detail_level=DetailLevel.DETAILED,
        register_time=now,
        address_time=now,
        last_seen_time=now,
        update_time=now,
    )
