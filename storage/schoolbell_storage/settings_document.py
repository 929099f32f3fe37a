"""A district's settings as one document: what an administrator chooses on the settings page."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, TypeVar

from schoolbell_server.domain.kinds import AdultStudentRule, AppType, DetailLevel, Kind, Platform
from schoolbell_server.domain.retention import Retention
from schoolbell_server.domain.world import (
    DisplayOptions,
    DistrictChoices,
    KindSettings,
    MinimumVersion,
    Subscription,
)
from schoolbell_storage.codec import to_json
from schoolbell_storage.conditions import decode_condition, encode_condition


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsDocument(DistrictChoices):
    """Everything of `Settings` but the switch, which has a column of its own."""

    retention: Retention = Retention()
    default_display_options: DisplayOptions = field(default_factory=DisplayOptions)


def encode_settings(settings: SettingsDocument) -> str:
    """Return the settings as JSON text."""
    return to_json(_write(settings))


def decode_settings(text: str) -> SettingsDocument:
    """Return the settings that `encode_settings` wrote; what a document lacks has its default."""
    return _read(SettingsDocument, json.loads(text))


def encode_display_options(options: DisplayOptions) -> dict[str, Any]:
    """Return display options as a document."""
    return _write(options)


def decode_display_options(document: Mapping[str, Any], *, inherited: bool) -> DisplayOptions:
    """Return the display options that `encode_display_options` wrote."""
    return replace(_read(DisplayOptions, document), inherited=inherited)


_Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]
"""How a field is written, and how it is read where it is not null."""
_Of = TypeVar("_Of")


def _write(value: object) -> dict[str, Any]:
    return {name: write(getattr(value, name)) for name, (write, _) in _FIELDS[type(value)].items()}


def _read(kind: type[_Of], document: Mapping[str, Any]) -> _Of:
    """Return what `_write` wrote: what is lacking, or null, has its default."""
    found = {}
    for name, (_, read) in _FIELDS[kind].items():
        value = document.get(name)
        if value is not None:
            found[name] = read(value)
    return kind(**found)


def _rows(kind: type[Any], *keys: Callable[[Any], Any]) -> _Codec:
    """Return how a mapping is stored: a list for each value, the parts of its key before it."""
    names, parts = tuple(_FIELDS[kind]), len(keys)

    def write(values: Mapping[Any, Any]) -> list[Any]:
        return [
            [*(key if parts > 1 else (key,)), *_write(value).values()]
            for key, value in sorted(values.items())
        ]

    def read(rows: list[list[Any]]) -> dict[Any, Any]:
        found = {}
        for row in rows:
            key = tuple(make(part) for make, part in zip(keys, row, strict=False))
            value = _read(kind, dict(zip(names, row[parts:], strict=False)))
            found[key if parts > 1 else key[0]] = value
        return found

    return write, read


def _as_it_is(value: Any) -> Any:
    return value


def _seconds(duration: dt.timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


_SAME: _Codec = (_as_it_is, _as_it_is)
_DURATION: _Codec = (_seconds, lambda seconds: dt.timedelta(seconds=seconds))
_FIELDS: dict[type[Any], Mapping[str, _Codec]] = {
    KindSettings: {"time_to_live": _DURATION, "hold": _DURATION},
    MinimumVersion: {"os_version": _SAME, "app_version": _SAME},
    Subscription: {"enabled": _SAME, "condition": (encode_condition, decode_condition)},
    Retention: {one.name: _DURATION for one in fields(Retention)},
    DisplayOptions: {
        "enabled": _SAME,
        "disabled_term_ids": (sorted, frozenset),
        "app_kinds": (
            lambda apps: [[app, sorted(kinds)] for app, kinds in sorted(apps.items())],
            lambda rows: {AppType(app): frozenset(map(Kind, kinds)) for app, kinds in rows},
        ),
    },
}
"""How each field of what settings are made of is written and read, in the order of its row."""


def _nested(kind: type[Any]) -> _Codec:
    return _write, partial(_read, kind)


_FIELDS[SettingsDocument] = {
    "detail_level": (int, DetailLevel),
    "kinds": _rows(KindSettings, Kind),
    "retention": _nested(Retention),
    "adult_students": (int, AdultStudentRule),
    "minimum_versions": _rows(MinimumVersion, str, Platform),
    "default_subscriptions": _rows(Subscription, AppType, Kind),
    "default_display_options": _nested(DisplayOptions),
    "enrollment_grace": _DURATION,
}
