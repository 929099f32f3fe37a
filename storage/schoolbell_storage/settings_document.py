"""A district's settings as one document: what an administrator chooses on the settings page."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

from schoolbell_server.domain.kinds import AdultStudentRule, AppType, DetailLevel, Kind, Platform
from schoolbell_server.domain.retention import Retention
from schoolbell_server.domain.world import (
    DisplayOptions,
    KindSettings,
    MinimumVersion,
    Subscription,
)
from schoolbell_storage.codec import to_json
from schoolbell_storage.conditions import decode_condition, encode_condition


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
        {name: write(getattr(settings, name)) for name, (write, _read) in _CODECS.items()}
    )


def decode_settings(text: str) -> SettingsDocument:
    """Return the settings that `encode_settings` wrote; what a document lacks has its default."""
    document = json.loads(text)
    return SettingsDocument(
        **{name: read(document[name]) for name, (_, read) in _CODECS.items() if name in document}
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


def _write_kinds(kinds: Mapping[Kind, KindSettings]) -> list[Any]:
    return [
        [kind, _seconds(chosen.time_to_live), _seconds(chosen.hold)]
        for kind, chosen in sorted(kinds.items())
    ]


def _read_kinds(rows: list[Any]) -> Mapping[Kind, KindSettings]:
    return {
        Kind(kind): KindSettings(time_to_live=_duration(live), hold=_duration(hold) or _ZERO)
        for kind, live, hold in rows
    }


def _write_retention(kept: Retention) -> dict[str, Any]:
    return {one.name: _seconds(getattr(kept, one.name)) for one in fields(kept)}


def _read_retention(document: Mapping[str, float]) -> Retention:
    return Retention(**{name: dt.timedelta(seconds=kept) for name, kept in document.items()})


def _write_versions(versions: Mapping[tuple[str, Platform], MinimumVersion]) -> list[Any]:
    return [
        [app_id, platform, minimum.os_version, minimum.app_version]
        for (app_id, platform), minimum in sorted(versions.items())
    ]


def _read_versions(rows: list[Any]) -> Mapping[tuple[str, Platform], MinimumVersion]:
    return {
        (app_id, Platform(platform)): MinimumVersion(os_version=system, app_version=app)
        for app_id, platform, system, app in rows
    }


def _write_subscriptions(chosen: Mapping[tuple[AppType, Kind], Subscription]) -> list[Any]:
    return [
        [app, kind, wanted.enabled, encode_condition(wanted.condition)]
        for (app, kind), wanted in sorted(chosen.items())
    ]


def _read_subscriptions(rows: list[Any]) -> Mapping[tuple[AppType, Kind], Subscription]:
    return {
        (AppType(app), Kind(kind)): Subscription(
            enabled=enabled, condition=decode_condition(condition)
        )
        for app, kind, enabled, condition in rows
    }


def _seconds(duration: dt.timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


def _duration(seconds: float | None) -> dt.timedelta | None:
    return None if seconds is None else dt.timedelta(seconds=seconds)


_CODECS: Mapping[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "detail_level": (int, DetailLevel),
    "kinds": (_write_kinds, _read_kinds),
    "retention": (_write_retention, _read_retention),
    "adult_students": (int, AdultStudentRule),
    "minimum_versions": (_write_versions, _read_versions),
    "default_subscriptions": (_write_subscriptions, _read_subscriptions),
    "default_display_options": (
        encode_display_options,
        partial(decode_display_options, inherited=True),
    ),
    "enrollment_grace": (_seconds, lambda seconds: dt.timedelta(seconds=seconds)),
}
"""How each setting is written and read."""
