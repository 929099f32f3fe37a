"""Devices between the contract and storage."""

from __future__ import annotations

import re

from schoolbell.v1 import common_pb2, device_service_pb2
from schoolbell_server.contract.fields import (
    Complain,
    day_of,
    read_id,
    read_version,
    write_time,
)
from schoolbell_server.domain.kinds import APP_PROVIDER, App, Platform
from schoolbell_storage.devices import DeviceRow

MAX_ADDRESS = 4096  # characters
SETTABLE = (
    "os_version",
    "app_version",
    "locale",
    "stay_logged_in",
    "detail_level",
    "registration_ref",
)
"""What UpdateDevice may change."""

REGISTERED = ("app_id", "platform", "installation_id", "environment", "token", "fid")
"""What only RegisterDevice says: it decides which other devices are retired."""

_APNS_TOKEN = re.compile(r"([0-9a-fA-F]{2})+", re.ASCII)


def check_device(message: device_service_pb2.Device, path: str, complain: Complain) -> None:
    """Complain of every bad field of a registration; `path` ends with a dot.

    The locale is a hint that the phone sends by itself: a bad one is passed over, not refused.
    """
    read_id(message.app_id, path + "app_id", complain)
    read_id(message.installation_id, path + "installation_id", complain)
    check_settable(message, path, complain)
    if message.platform:
        check_address(message, Platform(message.platform), path, complain)


def check_settable(message: device_service_pb2.Device, path: str, complain: Complain) -> None:
    """Complain of every bad field that an update may change."""
    read_version(message.os_version, path + "os_version", complain)
    read_version(message.app_version, path + "app_version", complain)
    read_id(message.registration_ref, path + "registration_ref", complain, required=False)


def check_address(
    message: device_service_pb2.Device, platform: Platform, path: str, complain: Complain
) -> None:
    """Complain of an address that the platform's provider cannot have given."""
    arm, address = message.WhichOneof("address"), message.token or message.fid
    if not address:
        return
    where = path + (arm or "token")
    if len(address) > MAX_ADDRESS or not address.isascii() or not address.isprintable():
        complain(where, f"must be at most {MAX_ADDRESS} printable ASCII characters")
    elif platform is Platform.IOS and arm == "fid":
        complain(where, "is for Android only")
    elif platform is Platform.IOS and not _APNS_TOKEN.fullmatch(address):
        complain(where, "must be an APNs device token in hexadecimal")


def address_of(message: device_service_pb2.Device, platform: Platform | None) -> str:
    """Return the address given, or ''; the same APNs token is always the same text."""
    address = message.token or message.fid
    return address.lower() if platform is Platform.IOS else address


def write_device(row: DeviceRow, app: App | None, etag: str) -> device_service_pb2.Device:
    """Return a stored device; its address shows only its tail."""
    message = device_service_pb2.Device(
        device_id=row.device_id,
        user_id=row.user_id,
        app_id=row.app_id,
        app=common_pb2.App.ValueType(app or 0),
        platform=common_pb2.Platform.ValueType(row.platform),
        provider=common_pb2.Provider.ValueType(APP_PROVIDER[row.platform]),
        token_tail=row.address_tail,
        environment=common_pb2.Environment.ValueType(row.environment),
        installation_id=row.installation_id,
        registration_ref=row.registration_ref,
        os_version=row.os_version,
        app_version=row.app_version,
        locale=row.locale,
        stay_logged_in=row.stay_logged_in,
        detail_level=common_pb2.DetailLevel.ValueType(row.detail_level),
        register_time=write_time(row.address_time),
        last_seen_time=write_time(day_of(row.last_seen_time)),
        etag=etag,
    )
    if row.retirement_reason is not None and row.retire_time is not None:
        message.retirement.reason = device_service_pb2.RetirementReason.ValueType(
            row.retirement_reason
        )
        message.retirement.retire_time.FromDatetime(row.retire_time)
    return message
