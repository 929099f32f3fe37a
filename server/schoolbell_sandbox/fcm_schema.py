"""The send request as Google's discovery document describes it, and the check against it.

Both spellings of a field are taken, snake_case and lowerCamelCase, as protobuf's JSON does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from schoolbell_sandbox.fcm_errors import bad_request

Check = Callable[[Any, str], Any]
"""Takes a value and its path, returns it in canonical form; raises FcmRefusal."""

_DURATION = re.compile(r"-?\d{1,12}(?:\.\d{1,9})?s")
_TYPES = "type.googleapis.com/google.firebase.fcm.v1."


def refuse(path: str, kind: str, value: Any) -> Exception:
    """Return the refusal of a value of the wrong type."""
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return bad_request(path, f"Invalid value at '{path}' ({kind}), {shown}")


def string(value: Any, path: str) -> str:
    """Take a string."""
    if not isinstance(value, str):
        raise refuse(path, "TYPE_STRING", value)
    return value


def boolean(value: Any, path: str) -> bool:
    """Take a boolean."""
    if not isinstance(value, bool):
        raise refuse(path, "TYPE_BOOL", value)
    return value


def number(value: Any, path: str) -> float:
    """Take a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refuse(path, "TYPE_FLOAT", value)
    return value


def integer(value: Any, path: str) -> int:
    """Take an integer, also one written as a string."""
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,10}", value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise refuse(path, "TYPE_INT32", value)
    return value


def duration(value: Any, path: str) -> float:
    """Take a protobuf duration such as `3600s`; return seconds."""
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise refuse(path, "type.googleapis.com/google.protobuf.Duration", value)
    return float(value[:-1])


def json_object(value: Any, path: str) -> dict[str, Any]:
    """Take any JSON object."""
    if not isinstance(value, dict):
        raise refuse(path, "type.googleapis.com/google.protobuf.Struct", value)
    return value


def string_map(value: Any, path: str) -> dict[str, str]:
    """Take a map of strings."""
    for position, entry in enumerate(json_object(value, path).values()):
        string(entry, f"{path}[{position}].value")
    return dict(value)


def enum(name: str, *values: str) -> Check:
    """Make the check of an enum."""

    def check(value: Any, path: str) -> Any:
        if value not in values:
            raise refuse(path, _TYPES + name, value)
        return value

    return check


def repeated(check: Check) -> Check:
    """Make the check of a list."""

    def check_all(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise refuse(path, "TYPE_MESSAGE", value)
        return [check(entry, f"{path}[{at}]") for at, entry in enumerate(value)]

    return check_all


def message(fields: Mapping[str, Check]) -> Check:
    """Make the check of a message with these fields, given in snake_case."""
    names = {camel(name): name for name in fields} | {name: name for name in fields}

    def check(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise refuse(path, "TYPE_MESSAGE", value)
        result = {}
        for key, entry in value.items():
            name = names.get(key)
            if name is None:
                raise unknown_name(key, path)
            if entry is not None:
                inner = f"{path}.{name}" if path else name
                result[name] = fields[name](entry, inner)
        return result

    return check


def unknown_name(key: str, path: str) -> Exception:
    """Return the refusal of a field that does not exist."""
    at = f" at '{path}'" if path else ""
    text = f'Invalid JSON payload received. Unknown name "{key}"{at}: Cannot find field.'
    return bad_request(path, text)


def camel(name: str) -> str:
    """Return a field's lowerCamelCase name."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def strings(*names: str) -> dict[str, Check]:
    """Return string fields."""
    return dict.fromkeys(names, string)


def booleans(*names: str) -> dict[str, Check]:
    """Return boolean fields."""
    return dict.fromkeys(names, boolean)


_LABEL = message(strings("analytics_label"))
_COLOR = message(dict.fromkeys(("red", "green", "blue", "alpha"), number))
_LIGHT = message({"color": _COLOR, "light_on_duration": duration, "light_off_duration": duration})
_ANDROID_NOTIFICATION = message(
    strings("title", "body", "icon", "color", "sound", "tag", "click_action", "body_loc_key")
    | strings("title_loc_key", "channel_id", "ticker", "image", "event_time")
    | booleans("sticky", "local_only", "default_sound", "default_vibrate_timings")
    | booleans("default_light_settings", "bypass_proxy_notification")
    | {
        "body_loc_args": repeated(string),
        "title_loc_args": repeated(string),
        "vibrate_timings": repeated(duration),
        "notification_count": integer,
        "light_settings": _LIGHT,
        "notification_priority": enum(
            "NotificationPriority",
            "PRIORITY_UNSPECIFIED",
            "PRIORITY_MIN",
            "PRIORITY_LOW",
            "PRIORITY_DEFAULT",
            "PRIORITY_HIGH",
            "PRIORITY_MAX",
        ),
        "visibility": enum("Visibility", "VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"),
        "proxy": enum("Proxy", "PROXY_UNSPECIFIED", "ALLOW", "DENY", "IF_PRIORITY_LOWERED"),
    }
)
_ANDROID = message(
    strings("collapse_key", "restricted_package_name")
    | booleans("direct_boot_ok", "bandwidth_constrained_ok", "restricted_satellite_ok")
    | {
        # The lower case is that of Google's own SDKs, which allow nothing else.
        "priority": enum("AndroidMessagePriority", "NORMAL", "HIGH", "normal", "high"),
        "ttl": duration,
        "data": string_map,
        "notification": _ANDROID_NOTIFICATION,
        "fcm_options": _LABEL,
    }
)
_ANDROID_V2 = message(
    {
        "remote_notification": message(
            {"notification": _ANDROID_NOTIFICATION}
            | booleans("mutable_content", "use_as_v1_data_message")
        ),
        "background_sync": json_object,
    }
)
_APNS = message(
    {
        "headers": string_map,
        "payload": json_object,
        "live_activity_token": string,
        "fcm_options": message(strings("analytics_label", "image")),
    }
)
_WEBPUSH = message(
    {
        "headers": string_map,
        "data": string_map,
        "notification": json_object,
        "fcm_options": message(strings("link", "analytics_label")),
    }
)
_MESSAGE = message(
    strings("name", "token", "fid", "topic", "condition")
    | {
        "notification": message(strings("title", "body", "image")),
        "data": string_map,
        "android": _ANDROID,
        "android_v2": _ANDROID_V2,
        "apns": _APNS,
        "webpush": _WEBPUSH,
        "fcm_options": _LABEL,
    }
)
check_request = message({"validate_only": boolean, "message": _MESSAGE})
"""Check a whole send request; returns it with snake_case names and durations in seconds."""
