"""Devices between the contract and storage."""

from __future__ import annotations

from schoolbell.v1 import common_pb2, device_service_pb2
from schoolbell_server.contract.fields import Complain, read_id, read_text, write_time
from schoolbell_server.domain.kinds import APP_PROVIDER, App
from schoolbell_storage.devices import DeviceRow

MAX_ADDRESS = 4096  # characters
MAX_VERSION = 64  # characters
MAX_LOCALE = 35  # characters
SETTABLE = (
    "os_version",
    "app_version",
    "locale",
    "stay_logged_in",
    "detail_level",
    "registration_ref",
)
"""What UpdateDevice may change."""


def check_device(message: device_service_pb2.Device, path: str, complain: Complain) -> None:
    """Complain of every bad text of a device; `path` ends with a dot."""
    read_id(message.app_id, path + "app_id", complain)
    read_id(message.installation_id, path + "installation_id", complain)
    check_settable(message, path, complain)
    address = message.token or message.fid
    if len(address) > MAX_ADDRESS or not address.isascii() or not address.isprintable():
        where = path + (message.WhichOneof("address") or "token")
        complain(where, f"must be at most {MAX_ADDRESS} printable ASCII characters")
    if message.WhichOneof("address") == "fid" and message.platform == common_pb2.PLATFORM_IOS:
        complain(path + "fid", "is for Android only")


def check_settable(message: device_service_pb2.Device, path: str, complain: Complain) -> None:
    """Complain of every bad text that an update may change."""
    read_text(message.os_version, path + "os_version", complain, most=MAX_VERSION)
    read_text(message.app_version, path + "app_version", complain, most=MAX_VERSION)
    read_text(message.locale, path + "locale", complain, most=MAX_LOCALE)
    read_id(message.registration_ref, path + "registration_ref", complain, required=False)


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
        register_time=write_time(row.register_time),
        last_seen_time=write_time(row.last_seen_time),
        etag=etag,
    )
    if row.retirement_reason is not None and row.retire_time is not None:
        message.retirement.reason = device_service_pb2.RetirementReason.ValueType(
            row.retirement_reason
        )
        message.retirement.retire_time.FromDatetime(row.retire_time)
    return message
