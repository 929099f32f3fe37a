"""A district's settings as one document: what an administrator chooses on the settings page."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schoolbell_server.domain.kinds import AdultStudentRule, AppType, DetailLevel, Kind, Platform
from schoolbell_server.domain.world import (
    DisplayOptions,
    KindSettings,
    MinimumVersion,
    Subscription,
)
from schoolbell_storage.codec import to_json
from schoolbell_storage.conditions import decode_condition, encode_condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long records of a district are kept."""

    changes: dt.timedelta = dt.timedelta(days=400)
    deliveries: dt.timedelta = dt.timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsDocument:
    """Everything of `Settings` but the switch, which has a column of its own."""

    detail_level: DetailLevel = DetailLevel.GENERIC
    kinds: Mapping[Kind, KindSettings] = field(default_factory=dict)
    retention: Retention = Retention()
    adult_students: AdultStudentRule = AdultStudentRule.FOLLOW_PORTAL_FLAG
    minimum_versions: Mapping[tuple[str, Platform], MinimumVersion] = field(default_factory=dict)
    default_subscriptions: Mapping[tuple[AppType, Kind], Subscription] = field(default_factory=dict)
    default_display_options: DisplayOptions = field(default_factory=DisplayOptions)
    enrollment_grace: dt.timedelta = dt.timedelta(days=14)


def encode_settings(settings: SettingsDocument) -> str:
    """Return the settings as JSON text."""
    return to_json(
        {
            "detail_level": settings.detail_level,
            "kinds": [
                [kind, _seconds(chosen.time_to_live), _seconds(chosen.hold)]
                for kind, chosen in sorted(settings.kinds.items())
            ],
            "retention": [
                _seconds(settings.retention.changes),
                _seconds(settings.retention.deliveries),
            ],
            "adult_students": settings.adult_students,
            "minimum_versions": [
                [app_id, platform, minimum.os_version, minimum.app_version]
                for (app_id, platform), minimum in sorted(settings.minimum_versions.items())
            ],
            "default_subscriptions": [
                [app, kind, wanted.enabled, encode_condition(wanted.condition)]
                for (app, kind), wanted in sorted(settings.default_subscriptions.items())
            ],
            "default_display_options": encode_display_options(settings.default_display_options),
            "enrollment_grace": _seconds(settings.enrollment_grace),
        }
    )


def decode_settings(text: str) -> SettingsDocument:
    """Return the settings that `encode_settings` wrote; '{}' is a new district's."""
    document = json.loads(text)
    if not document:
        return SettingsDocument()
    return SettingsDocument(
        detail_level=DetailLevel(document["detail_level"]),
        kinds={
            Kind(kind): KindSettings(time_to_live=_duration(live), hold=_duration(hold) or _ZERO)
            for kind, live, hold in document["kinds"]
        },
        retention=_retention(*document["retention"]),
        adult_students=AdultStudentRule(document["adult_students"]),
        minimum_versions={
            (app_id, Platform(platform)): MinimumVersion(os_version=system, app_version=app)
            for app_id, platform, system, app in document["minimum_versions"]
        },
        default_subscriptions={
            (AppType(app), Kind(kind)): Subscription(
                enabled=enabled, condition=decode_condition(condition)
            )
            for app, kind, enabled, condition in document["default_subscriptions"]
        },
        default_display_options=decode_display_options(
            document["default_display_options"], inherited=True
        ),
        enrollment_grace=_duration(document["enrollment_grace"]) or _ZERO,
    )


def encode_display_options(options: DisplayOptions) -> dict[str, Any]:
    """Return display options as a document."""
    return {
        "enabled": options.enabled,
        "disabled_term_ids": sorted(options.disabled_term_ids),
        "app_kinds": [[app, sorted(kinds)] for app, kinds in sorted(options.app_kinds.items())],
    }


def decode_display_options(document: Mapping[str, Any], *, inherited: bool) -> DisplayOptions:
    """Return the display options that `encode_display_options` wrote."""
    return DisplayOptions(
        enabled=document["enabled"],
        disabled_term_ids=frozenset(document["disabled_term_ids"]),
        app_kinds={
            AppType(app): frozenset(Kind(kind) for kind in kinds)
            for app, kinds in document["app_kinds"]
        },
        inherited=inherited,
    )


_ZERO = dt.timedelta(0)


def _retention(changes: float, deliveries: float, *_: float) -> Retention:
    """Return how long records are kept; older documents also name the audit log."""
    return Retention(
        changes=dt.timedelta(seconds=changes),
        deliveries=dt.timedelta(seconds=deliveries),
    )


def _seconds(duration: dt.timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


def _duration(seconds: float | None) -> dt.timedelta | None:
    return None if seconds is None else dt.timedelta(seconds=seconds)
