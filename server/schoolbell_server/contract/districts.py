"""Districts between the contract and the storage."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Collection
from functools import cache
from importlib.resources import files

from schoolbell.v1 import common_pb2, district_service_pb2
from schoolbell_server.contract.conditions import read_members
from schoolbell_server.contract.fields import (
    ReportViolation,
    read_duration,
    read_locale,
    write_duration,
    write_time,
)
from schoolbell_server.domain.kinds import Kind
from schoolbell_server.domain.retention import AUDIT_RETENTION
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_storage.districts import DistrictRow

SETTABLE = frozenset(
    {
        "display_name",
        "time_zone",
        "locale",
        "currency_code",
        "licensed_kinds",
        "app_ids",
        "audit_retention",
    }
)
"""The fields that an update may change."""

DEFAULT_LOCALE = "en"
DEFAULT_CURRENCY = "USD"
_DAY = dt.timedelta(days=1)
_AUDIT_RETENTION = (30 * _DAY, 3650 * _DAY)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


def read_district(
    message: district_service_pb2.District,
    path: str,
    known: DistrictRow,
    apps: Collection[str],
    report: ReportViolation,
) -> DistrictRow:
    """Return a district with what a message says of it; `path` ends with a dot."""
    if not message.display_name:
        report(f"{path}display_name", "is required", reasons.REQUIRED)
    read_time_zone(message.time_zone, f"{path}time_zone", report)
    locale = read_locale(message.locale or DEFAULT_LOCALE, f"{path}locale", report)
    currency_code = message.currency_code or DEFAULT_CURRENCY
    if not _CURRENCY.fullmatch(currency_code):
        report(f"{path}currency_code", "must be an ISO 4217 code, such as USD")
    return dataclasses.replace(
        known,
        display_name=message.display_name,
        time_zone=message.time_zone,
        locale=locale,
        currency_code=currency_code,
        licensed_kinds=read_members(message.licensed_kinds, Kind, f"{path}licensed_kinds", report),
        app_ids=_read_apps(message.app_ids, f"{path}app_ids", apps, report),
        audit_retention=_read_retention(message, f"{path}audit_retention", report),
    )


def read_time_zone(name: str, path: str, report: ReportViolation, *, required: bool = True) -> str:
    """Return the IANA name of a time zone."""
    if not name:
        if required:
            report(path, "is required", reasons.REQUIRED)
    elif name not in _time_zones():
        report(path, "must be an IANA time zone, such as America/Chicago")
    return name


def write_district(row: DistrictRow, etag: str) -> district_service_pb2.District:
    """Return a district as a message."""
    return district_service_pb2.District(
        district_id=row.district_id,
        display_name=row.display_name,
        time_zone=row.time_zone,
        locale=row.locale,
        currency_code=row.currency_code,
        active_school_year=row.active_school_year or 0,
        licensed_kinds=[common_pb2.Kind.ValueType(kind) for kind in sorted(row.licensed_kinds)],
        app_ids=row.app_ids,
        audit_retention=write_duration(row.audit_retention),
        create_time=write_time(row.create_time),
        etag=etag,
    )


def _read_retention(
    message: district_service_pb2.District, path: str, report: ReportViolation
) -> dt.timedelta:
    """Return how long the audit log is kept, in whole days."""
    if not message.HasField("audit_retention"):
        return AUDIT_RETENTION
    kept = read_duration(message.audit_retention, path, _AUDIT_RETENTION, report)
    if kept is None or kept % _DAY:
        report(path, "must be whole days")
        return AUDIT_RETENTION
    return kept


@cache
def _time_zones() -> frozenset[str]:
    """Return the names of IANA's list; what the machine's folder of zones holds besides is none.

    `Factory` is the list's own word for a zone that nobody has set.
    """
    names = (files("tzdata") / "zones").read_text(encoding="utf-8").split()
    return frozenset(names) - {"Factory"}


def _read_apps(
    app_ids: Collection[str], path: str, apps: Collection[str], report: ReportViolation
) -> tuple[str, ...]:
    for index, app_id in enumerate(app_ids):
        if app_id not in apps:
            report(
                f"{path}[{index}]",
                "names no app of the server's configuration",
                reasons.INCONSISTENT,
            )
    if len(set(app_ids)) != len(app_ids):
        report(path, "must name each at most once", reasons.DUPLICATE)
    return tuple(sorted(set(app_ids)))
