"""What holds for families until they choose, and the oldest apps, as a form and back."""

from __future__ import annotations

import json
from typing import Any

from schoolbell.v1 import common_pb2
from schoolbell.v1.settings_service_pb2 import DefaultSubscription, MinimumVersion, Settings
from schoolbell.v1.subscription_pb2 import Condition
from schoolbell_console import condition_form

Values = dict[str, str]
"""The fields of the form by name: `want-APP-KIND` and those of its condition, `os-PLATFORM-APP`,
`app-PLATFORM-APP`."""

APPS = common_pb2.AppType.values()[1:]
KINDS = common_pb2.Kind.values()[1:]
PLATFORMS = common_pb2.Platform.values()[1:]
_VERSIONS = {"os": "os_version", "app": "app_version"}
_LONGEST_BASE = 100_000  # characters
_MOST_APPS = 100


def app_ids(settings: Settings, known: Any) -> list[str]:
    """Return the apps to set versions for: those of the district, and those that have one."""
    return sorted({*known, *(one.app_id for one in settings.minimum_versions)})[:_MOST_APPS]


def fields(apps: list[str]) -> list[str]:
    """Return the names of all fields, in their order on the page."""
    wanted = [
        name
        for app in APPS
        for kind in KINDS
        for name in (f"want-{app}-{kind}", *condition_form.fields(app, kind))
    ]
    versions = [
        f"{part}-{platform}-{app}" for app in apps for platform in PLATFORMS for part in _VERSIONS
    ]
    return [*wanted, *versions]


def from_settings(settings: Settings, apps: list[str]) -> Values:
    """Return what the form shows."""
    values = dict.fromkeys(fields(apps), "")
    for app in APPS:
        for kind in KINDS:
            values |= condition_form.from_condition(Condition(), app, kind)
    for one in settings.default_subscriptions:
        values[f"want-{one.app_type}-{one.kind}"] = "on"
        values |= condition_form.from_condition(one.condition, one.app_type, one.kind)
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
    """Return the settings that the form asks for."""
    found = Settings()
    stored = {(one.app_type, one.kind): one for one in now.default_subscriptions}
    for app in APPS:
        for kind in KINDS:
            if values[f"want-{app}-{kind}"]:
                found.default_subscriptions.append(_default(values, app, kind, stored))
    for app_id in apps:
        for platform in PLATFORMS:
            versions = {name: values[f"{part}-{platform}-{app_id}"] for part, name in _PAIRS}
            if any(versions.values()):
                one = MinimumVersion(app_id=app_id, platform=platform, **versions)
                found.minimum_versions.append(one)
    return found


def _default(values: Values, app: Any, kind: Any, stored: Any) -> DefaultSubscription:
    """Return a default; one whose fields show what is stored stays that to the last digit."""
    old: DefaultSubscription = stored.get((app, kind), DefaultSubscription())
    shown = condition_form.from_condition(old.condition, app, kind)
    found = DefaultSubscription(app_type=app, kind=kind)
    if old.HasField("condition") and all(values[name] == shown[name] for name in shown):
        found.condition.CopyFrom(old.condition)
    elif (wanted := condition_form.to_condition(values, app, kind)).WhichOneof("rule"):
        found.condition.CopyFrom(wanted)
    return found


_PAIRS = tuple(_VERSIONS.items())


def mask(changed: list[str]) -> list[str]:
    """Return which settings the changed fields are of."""
    return sorted(
        {
            "minimum_versions" if name.partition("-")[0] in _VERSIONS else "default_subscriptions"
            for name in changed
        }
    )


def differing(one: Values, other: Values) -> list[str]:
    """Return the fields that differ, in their order on the page."""
    return [name for name in one if one[name] != other.get(name, "")]
