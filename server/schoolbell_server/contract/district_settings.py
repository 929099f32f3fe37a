"""A district's settings between the contract and the storage."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from schoolbell.v1 import common_pb2, settings_service_pb2
from schoolbell_server.contract.conditions import read_condition, write_condition
from schoolbell_server.contract.display_options import read_display_options, write_display_options
from schoolbell_server.contract.fields import (
    ReportViolation,
    read_duration,
    read_id,
    read_version,
    write_duration,
)
from schoolbell_server.domain.kinds import AdultStudentRule, AppType, DetailLevel, Kind, Platform
from schoolbell_server.domain.retention import Retention
from schoolbell_server.domain.world import (
    DisplayOptions,
    KindSettings,
    MinimumVersion,
    Subscription,
)
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_storage.settings_document import SettingsDocument

SETTABLE = frozenset(
    {
        "enabled",
        "detail_level",
        "kind_settings",
        "retention",
        "adult_student_rule",
        "minimum_versions",
        "default_subscriptions",
        "default_display_options",
        "enrollment_grace",
    }
)
"""The fields that an update may change."""

_DAY = dt.timedelta(days=1)
_ZERO = dt.timedelta(0)
_LONGEST_LIFE = 28 * _DAY
LONGEST_HOLD = dt.timedelta(hours=1)
_LONGEST_RETENTION = 3653 * _DAY  # ten years
_LONGEST_GRACE = 60 * _DAY


def read_settings(
    message: settings_service_pb2.Settings, path: str, currency_code: str, report: ReportViolation
) -> SettingsDocument:
    """Return the settings of a message, whose switch is read by itself; `path` ends with a dot."""
    default = SettingsDocument()
    return SettingsDocument(
        detail_level=DetailLevel(message.detail_level or default.detail_level),
        kinds=_read_kinds(message, f"{path}kind_settings", report),
        retention=_read_retention(message.retention, f"{path}retention.", report),
        adult_students=AdultStudentRule(message.adult_student_rule or default.adult_students),
        minimum_versions=_read_minimums(message, f"{path}minimum_versions", report),
        default_subscriptions=_read_subscriptions(
            message, f"{path}default_subscriptions", currency_code, report
        ),
        default_display_options=_read_default_options(
            message, f"{path}default_display_options.", report
        ),
        enrollment_grace=_read_grace(message, f"{path}enrollment_grace", report),
    )


def write_settings(
    settings: SettingsDocument, *, enabled: bool, currency_code: str
) -> settings_service_pb2.Settings:
    """Return the settings as a message, without what the service adds to it."""
    message = settings_service_pb2.Settings(
        enabled=enabled,
        detail_level=common_pb2.DetailLevel.ValueType(settings.detail_level),
        kind_settings=[
            _write_kind(kind, chosen) for kind, chosen in sorted(settings.kinds.items())
        ],
        retention=settings_service_pb2.Retention(
            changes=write_duration(settings.retention.changes),
            deliveries=write_duration(settings.retention.deliveries),
        ),
        adult_student_rule=settings_service_pb2.AdultStudentRule.ValueType(settings.adult_students),
        default_display_options=write_display_options(settings.default_display_options),
        enrollment_grace=write_duration(settings.enrollment_grace),
    )
    message.default_display_options.inherited = False
    for (app_id, platform), minimum in sorted(settings.minimum_versions.items()):
        message.minimum_versions.add(
            app_id=app_id,
            platform=common_pb2.Platform.ValueType(platform),
            os_version=minimum.os_version,
            app_version=minimum.app_version,
        )
    for (app, kind), wanted in sorted(settings.default_subscriptions.items()):
        entry = message.default_subscriptions.add(
            app_type=common_pb2.AppType.ValueType(app), kind=common_pb2.Kind.ValueType(kind)
        )
        if wanted.condition is not None:
            write_condition(wanted.condition, entry.condition, currency_code)
    return message


def _write_kind(kind: Kind, chosen: KindSettings) -> settings_service_pb2.KindSettings:
    return settings_service_pb2.KindSettings(
        kind=common_pb2.Kind.ValueType(kind),
        time_to_live=None if chosen.time_to_live is None else write_duration(chosen.time_to_live),
        hold=write_duration(chosen.hold) if chosen.hold else None,
    )


def _read_kinds(
    message: settings_service_pb2.Settings, path: str, report: ReportViolation
) -> Mapping[Kind, KindSettings]:
    chosen: dict[Kind, KindSettings] = {}
    for index, entry in enumerate(message.kind_settings):
        here = f"{path}[{index}]"
        if not entry.kind:
            report(f"{here}.kind", "is required", reasons.REQUIRED)
            continue
        kind = Kind(entry.kind)
        if kind in chosen:
            report(f"{here}.kind", "came before", reasons.DUPLICATE)
        life = hold = None
        if entry.HasField("time_to_live"):
            limits = (dt.timedelta(microseconds=1), _LONGEST_LIFE)
            life = read_duration(entry.time_to_live, f"{here}.time_to_live", limits, report)
        if entry.HasField("hold"):
            hold = read_duration(entry.hold, f"{here}.hold", (_ZERO, LONGEST_HOLD), report)
        chosen[kind] = KindSettings(time_to_live=life, hold=hold or _ZERO)
    return chosen


def _read_retention(
    message: settings_service_pb2.Retention, path: str, report: ReportViolation
) -> Retention:
    default, limits = Retention(), (_DAY, _LONGEST_RETENTION)
    kept = {
        name: read_duration(getattr(message, name), path + name, limits, report)
        for name in ("changes", "deliveries")
        if message.HasField(name)
    }
    return Retention(
        changes=kept.get("changes") or default.changes,
        deliveries=kept.get("deliveries") or default.deliveries,
    )


def _read_minimums(
    message: settings_service_pb2.Settings, path: str, report: ReportViolation
) -> Mapping[tuple[str, Platform], MinimumVersion]:
    minimums: dict[tuple[str, Platform], MinimumVersion] = {}
    for index, entry in enumerate(message.minimum_versions):
        here = f"{path}[{index}]"
        read_id(entry.app_id, f"{here}.app_id", report)
        for name in ("os_version", "app_version"):
            read_version(getattr(entry, name), f"{here}.{name}", report)
        if not entry.platform:
            report(f"{here}.platform", "is required", reasons.REQUIRED)
            continue
        named = (entry.app_id, Platform(entry.platform))
        if named in minimums:
            report(here, "names an app and platform that came before", reasons.DUPLICATE)
        minimums[named] = MinimumVersion(os_version=entry.os_version, app_version=entry.app_version)
    return minimums


def _read_subscriptions(
    message: settings_service_pb2.Settings, path: str, currency_code: str, report: ReportViolation
) -> Mapping[tuple[AppType, Kind], Subscription]:
    wanted: dict[tuple[AppType, Kind], Subscription] = {}
    for index, entry in enumerate(message.default_subscriptions):
        here = f"{path}[{index}]."
        condition = read_condition(
            entry.condition, entry.kind, f"{here}condition.", currency_code, report
        )
        for name in ("app_type", "kind"):
            if not getattr(entry, name):
                report(here + name, "is required", reasons.REQUIRED)
        if not entry.app_type or not entry.kind:
            continue
        named = (AppType(entry.app_type), Kind(entry.kind))
        if named in wanted:
            report(f"{path}[{index}]", "names an app and kind that came before", reasons.DUPLICATE)
        wanted[named] = Subscription(enabled=True, condition=condition)
    return wanted


def _read_default_options(
    message: settings_service_pb2.Settings, path: str, report: ReportViolation
) -> DisplayOptions:
    if not message.HasField("default_display_options"):
        return DisplayOptions()
    given = message.default_display_options
    if given.calendar_id:
        report(f"{path}calendar_id", "must be empty in the default", reasons.NOT_ALLOWED)
    if given.disabled_term_ids:
        report(f"{path}disabled_term_ids", "must be empty in the default", reasons.NOT_ALLOWED)
    options = read_display_options(given, path, report)
    return DisplayOptions(enabled=options.enabled, app_kinds=options.app_kinds)


def _read_grace(
    message: settings_service_pb2.Settings, path: str, report: ReportViolation
) -> dt.timedelta:
    default = SettingsDocument().enrollment_grace
    if not message.HasField("enrollment_grace"):
        return default
    grace = read_duration(message.enrollment_grace, path, (_ZERO, _LONGEST_GRACE), report)
    if grace is not None and grace % _DAY:
        report(path, "must be whole days")
    return default if grace is None else grace
