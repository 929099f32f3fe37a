"""FCM's checks of a message whose form is right."""

from __future__ import annotations

import re
from typing import Any

from schoolbell_sandbox.fcm_errors import bad_request, fcm_error

MAX_BYTES = 4096
MAX_TOPIC_BYTES = 2048
MAX_TTL = 2_419_200
TARGETS = ("token", "fid", "topic", "condition")

_TOKEN = re.compile(r"[A-Za-z0-9_:.\-]{20,4096}")
_TOPIC = re.compile(r"(?:/topics/)?[a-zA-Z0-9\-_.~%]+")
_RESERVED = ("from", "message_type")
_RESERVED_PREFIXES = ("google.", "gcm.notification.")


def target_of(message: dict[str, Any]) -> tuple[str, str]:
    """Return the one target's kind and value; raise unless there is exactly one."""
    targets = [name for name in TARGETS if name in message]
    if len(targets) > 1:
        text = (
            f"Invalid value at 'message' (oneof), oneof field 'target' is already set."
            f" Cannot set '{targets[1]}'"
        )
        raise bad_request("message", text)
    if not targets or not message[targets[0]]:
        text = "Recipient of the message is not set."
        raise bad_request("message.token", text, fcm_code=True)
    return targets[0], message[targets[0]]


def check_content(message: dict[str, Any], *, topic: bool) -> None:
    """Check data keys, times to live, exclusive blocks and the size."""
    android = message.get("android", {})
    if "android" in message and "android_v2" in message:
        raise bad_request("message.android_v2", "android is set as well", fcm_code=True)
    for path, data in (("message", message.get("data")), ("message.android", android.get("data"))):
        check_data_keys(path, data or {})
    ttl = android.get("ttl", 0)
    if not 0 <= ttl <= MAX_TTL:
        text = f"Invalid TTL: must be between 0 and {MAX_TTL} seconds"
        raise bad_request("message.android.ttl", text, fcm_code=True)
    check_loc_args(message)
    limit = MAX_TOPIC_BYTES if topic else MAX_BYTES
    if size_of(message) > limit:
        raise bad_request("message", "Android message is too big", fcm_code=True)


def check_data_keys(path: str, data: dict[str, str]) -> None:
    """Refuse the keys FCM keeps for itself."""
    for key in data:
        if key in _RESERVED or key.startswith(_RESERVED_PREFIXES):
            field = f"{path}.data.{key}"
            raise bad_request(field, f"Invalid data payload key: {key}", fcm_code=True)


def check_loc_args(message: dict[str, Any]) -> None:
    """Refuse arguments of a text that is not named."""
    notification = message.get("android", {}).get("notification", {})
    for part in ("title", "body"):
        if notification.get(f"{part}_loc_args") and not notification.get(f"{part}_loc_key"):
            field = f"message.android.notification.{part}_loc_args"
            raise bad_request(field, f"{part}_loc_key is required with it", fcm_code=True)


def check_topic(topic: str) -> None:
    """Refuse a malformed topic."""
    if not _TOPIC.fullmatch(topic):
        raise bad_request("message.topic", "Malformed topic name", fcm_code=True)


def check_address(address: str) -> None:
    """Refuse what cannot be a registration token or an installation id."""
    if not _TOKEN.fullmatch(address):
        raise fcm_error("INVALID_ARGUMENT")


def size_of(message: dict[str, Any]) -> int:
    """Return the bytes of the keys and values the phone gets."""
    android = message.get("android", {})
    parts = (message.get("notification"), message.get("data"), android.get("data"))
    return sum(
        len(key.encode()) + len(str(value).encode())
        for part in parts
        if part
        for key, value in part.items()
    )
