"""What holds for families until they choose, and the oldest apps, as a form and back."""

from __future__ import annotations

import json
from typing import Any

from schoolbell.v1 import common_pb2
from schoolbell.v1.settings_service_pb2 import DefaultSubscription, MinimumVersion, Settings

Values = dict[str, str]
"""The fields of the form by name: `want-APP-KIND`, `os-PLATFORM-APP`, `app-PLATFORM-APP`."""

APPS = common_pb2.AppType.values()[1:]
KINDS = common_pb2.Kind.values()[1:]
PLATFORMS = common_pb2.Platform.values()[1:]
_VERSIONS = {"os": "os_version", "app": "app_version"}
_MASKS = {"want": "default_subscriptions", "os": "minimum_versions", "app": "minimum_versions"}
_LONGEST_BASE = 100_000  # characters
_MOST_APPS = 100


def app_ids(settings: Settings, known: Any) -> list[str]:
    """Return the apps to set versions for: those of the district, and those that have one."""
    return sorted({*known, *(one.app_id for one in settings.minimum_versions)})[:_MOST_APPS]


def fields(apps: list[str]) -> list[str]:
    """Return the names of all fields, in their order on the page."""
    wanted = [f"want-{app}-{kind}" for app in APPS for kind in KINDS]
    versions = [
        f"{part}-{platform}-{app}" for app in apps for platform in PLATFORMS for part in _VERSIONS
    ]
    return [*wanted, *versions]


def from_settings(settings: Settings, apps: list[str]) -> Values:
    """Return what the form shows."""
    values = dict.fromkeys(fields(apps), "")
    for one in settings.default_subscriptions:
        values[f"want-{one.app_type}-{one.kind}"] = "on"
    for version in settings.minimum_versions:
        for part, name in _VERSIONS.items():
            values[f"{part}-{version.platform}-{version.app_id}"] = getattr(version, name)
    return values


def from_form(form: Any, apps: list[str]) -> Values:
    """Return what a person sent; a field that is missing is empty."""
    return {name: str(form.get(name, "")).strip()[:64] for name in fields(apps)}


def from_base(text: str, apps: list[str]) -> Values:
    """Return what the form showed before a person changed it."""
    try:
        found = json.loads(text[:_LONGEST_BASE])
        return {name: str(found.get(name, "")) for name in fields(apps)}
    except (ValueError, AttributeError):
        return dict.fromkeys(fields(apps), "")


def to_settings(values: Values, now: Settings, apps: list[str]) -> Settings:
    """Return the settings that the form asks for; a condition of a default stays what it is."""
    found = Settings()
    stored = {(one.app_type, one.kind): one for one in now.default_subscriptions}
    for app in APPS:
        for kind in KINDS:
            if values[f"want-{app}-{kind}"]:
                new = DefaultSubscription(app_type=app, kind=kind)
                found.default_subscriptions.append(stored.get((app, kind), new))
    for app_id in apps:
        for platform in PLATFORMS:
            versions = {name: values[f"{part}-{platform}-{app_id}"] for part, name in _PAIRS}
            if any(versions.values()):
                one = MinimumVersion(app_id=app_id, platform=platform, **versions)
                found.minimum_versions.append(one)
    return found


_PAIRS = tuple(_VERSIONS.items())


def mask(changed: list[str]) -> list[str]:
    """Return which settings the changed fields are of."""
    return sorted({_MASKS[name.partition("-")[0]] for name in changed})


def differing(one: Values, other: Values) -> list[str]:
    """Return the fields that differ, in their order on the page."""
    return [name for name in one if one[name] != other.get(name, "")]
