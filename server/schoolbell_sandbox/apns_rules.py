"""APNs' checks of one request's headers, topic and body: each returns a reason or nothing."""

from __future__ import annotations

import json
import re

from schoolbell_sandbox.exchange import Request

PATH = b"/3/device/"
MAX_COLLAPSE_BYTES = 64
MAX_PAYLOAD = 4096
MAX_PAYLOAD_BY_TYPE = {b"voip": 5120}

SUFFIXES = {
    b"alert": b"",
    b"background": b"",
    b"voip": b".voip",
    b"complication": b".complication",
    b"fileprovider": b".pushkit.fileprovider",
    b"location": b".location-query",
    b"liveactivity": b".push-type.liveactivity",
    b"pushtotalk": b".voip-ptt",
    b"widgets": b".push-type.widgets",
    b"controls": b".push-type.controls",
    b"mdm": b"",
}
"""What each push type adds to the bundle id."""

_SPECIAL_SUFFIXES = tuple(suffix for suffix in SUFFIXES.values() if suffix)
_TOKEN = re.compile(rb"(?:[0-9a-fA-F]{2}){4,100}")
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TOPIC = re.compile(rb"[A-Za-z0-9][A-Za-z0-9.-]{0,254}")
_PRIORITIES = (b"1", b"5", b"10")


def route_fault(request: Request) -> tuple[int, str] | None:
    """Check repeated headers, method, path and the token's form; return status and reason."""
    if request.repeated_header:
        return 400, "DuplicateHeaders"
    if request.method != b"POST":
        return 405, "MethodNotAllowed"
    if not request.path.startswith(PATH):
        return 404, "BadPath"
    token = request.path[len(PATH) :]
    if not token:
        return 400, "MissingDeviceToken"
    if not _TOKEN.fullmatch(token):
        return 400, "BadDeviceToken"
    return None


def header_fault(headers: dict[bytes, bytes]) -> str | None:
    """Check the id, priority, expiration, collapse id and push type."""
    apns_id = headers.get(b"apns-id")
    if apns_id is not None and not _UUID.fullmatch(apns_id):
        return "BadMessageId"
    priority = headers.get(b"apns-priority", b"10")
    if priority not in _PRIORITIES:
        return "BadPriority"
    if not headers.get(b"apns-expiration", b"0").isdigit():
        return "BadExpirationDate"
    if len(headers.get(b"apns-collapse-id", b"")) > MAX_COLLAPSE_BYTES:
        return "BadCollapseId"
    push_type = headers.get(b"apns-push-type", b"alert")
    if push_type not in SUFFIXES:
        return "InvalidPushType"
    if push_type == b"background" and priority == b"10" and b"apns-priority" in headers:
        return "BadPriority"
    return None


def is_plausible(address: str) -> bool:
    """Tell whether a device could have the address: nobody has nothing but zeros."""
    return bool(address.strip("0"))


def bundle_of(topic: bytes, push_type: bytes) -> bytes | None:
    """Return the bundle id a topic names, or nothing if topic and push type do not fit."""
    if not _TOPIC.fullmatch(topic):
        return None
    suffix = SUFFIXES[push_type]
    if suffix:
        return topic[: -len(suffix)] if topic.endswith(suffix) else None
    return None if topic.endswith(_SPECIAL_SUFFIXES) else topic


def body_fault(body: bytes, push_type: bytes) -> tuple[int, str] | None:
    """Check the payload's size."""
    if not body:
        return 400, "PayloadEmpty"
    if len(body) > MAX_PAYLOAD_BY_TYPE.get(push_type, MAX_PAYLOAD):
        return 413, "PayloadTooLarge"
    return None


def is_notification(body: bytes) -> bool:
    """Tell whether the payload is an object with `aps`; what Apple does otherwise is unknown."""
    try:
        content = json.loads(body)
    except ValueError:
        return False
    return isinstance(content, dict) and isinstance(content.get("aps"), dict)
