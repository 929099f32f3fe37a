"""Devices between the contract and storage."""

from __future__ import annotations

import re
from dataclasses import dataclass

from schoolbell.v1 import common_pb2, device_service_pb2
from schoolbell_server.contract.fields import (
    ReportViolation,
    day_of,
    read_id,
    read_version,
    write_time,
)
from schoolbell_server.domain.kinds import APP_PROVIDER, AppType, Platform, ProviderEnvironment
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_storage.devices import DeviceRow

SETTABLE = (
    "os_version",
    "app_version",
    "locale",
    "stay_logged_in",
    "muted",
    "detail_level",
    "registration_ref",
)
"""What UpdateDevice may change."""

REGISTERED = ("app_id", "platform", "installation_id")
"""What only RegisterDevice says: it decides which other devices are retired."""

ADDRESS_FIELDS = {Platform.IOS: "apns", Platform.ANDROID: "fcm"}
"""The field of a DeviceAddress for each platform."""

_APNS_TOKEN = re.compile(r"([0-9a-fA-F]{2})+", re.ASCII)


def check_device(message: device_service_pb2.Device, path: str, report: ReportViolation) -> None:
    """Report every bad field of a registration; `path` ends with a dot.

    The locale is a hint that the phone sends by itself: a bad one is passed over, not refused.
    """
    read_id(message.app_id, path + "app_id", report)
    read_id(message.installation_id, path + "installation_id", report)
    check_settable(message, path, report)


def check_settable(message: device_service_pb2.Device, path: str, report: ReportViolation) -> None:
    """Report every bad field that an update may change."""
    read_version(message.os_version, path + "os_version", report)
    read_version(message.app_version, path + "app_version", report)


@dataclass(frozen=True, slots=True)
class GivenAddress:
    """Where the pushes of a device go, as its app was given it."""

    target: str
    """The field of the DeviceAddress that it came in."""
    text: str
    environment: ProviderEnvironment
    is_installation_id: bool
    """Whether it is a Firebase installation id and not a registration token."""


def read_address(
    message: device_service_pb2.DeviceAddress, path: str, report: ReportViolation
) -> GivenAddress | None:
    """Return the address that a provider gave, for whichever platform; None where it is a bad one.

    The same APNs token is always the same text.
    """
    match message.WhichOneof("target"):
        case "apns":
            return _read_apns(message.apns, f"{path}.apns", report)
        case "fcm":
            return _read_fcm(message.fcm, f"{path}.fcm", report)
        case None:
            report(path, "must have apns or fcm", reasons.REQUIRED)
            return None


def _read_apns(
    message: device_service_pb2.ApnsAddress, path: str, report: ReportViolation
) -> GivenAddress | None:
    token, where = message.device_token, f"{path}.device_token"
    if not token:
        report(where, "is required", reasons.REQUIRED)
    elif not _APNS_TOKEN.fullmatch(token):
        report(where, "must be an APNs device token in hexadecimal")
    environment = message.environment or ProviderEnvironment.PRODUCTION
    return GivenAddress("apns", token.lower(), ProviderEnvironment(environment), False)


def _read_fcm(
    message: device_service_pb2.FcmAddress, path: str, report: ReportViolation
) -> GivenAddress | None:
    chosen = message.WhichOneof("target")
    if chosen is None:
        report(f"{path}.registration_token", "is required", reasons.REQUIRED)
        return None
    text = read_id(getattr(message, chosen), f"{path}.{chosen}", report)
    is_installation_id = chosen == "firebase_installation_id"
    return GivenAddress("fcm", text, ProviderEnvironment.PRODUCTION, is_installation_id)


def write_device(row: DeviceRow, app: AppType | None, etag: str) -> device_service_pb2.Device:
    """Return a stored device; its address shows only its tail."""
    message = device_service_pb2.Device(
        device_id=row.device_id,
        user_id=row.user_id,
        app_id=row.app_id,
        app_type=common_pb2.AppType.ValueType(app or 0),
        platform=common_pb2.Platform.ValueType(row.platform),
        provider=common_pb2.Provider.ValueType(APP_PROVIDER[row.platform]),
        address_tail=row.address_tail,
        environment=common_pb2.ProviderEnvironment.ValueType(row.environment),
        installation_id=row.installation_id,
        registration_ref=row.registration_ref,
        os_version=row.os_version,
        app_version=row.app_version,
        locale=row.locale,
        stay_logged_in=row.stay_logged_in,
        muted=row.muted,
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
