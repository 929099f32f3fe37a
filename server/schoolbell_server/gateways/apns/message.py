"""What APNs is told: the payload and the headers of a push."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aioapns import NotificationRequest, PushType
from aioapns.common import PRIORITY_HIGH

from schoolbell_server.domain import compact
from schoolbell_server.gateways.common.fitting import fit_body
from schoolbell_server.gateways.common.push import Push

PAYLOAD_LIMIT = 4096  # bytes of UTF-8


def notification(push: Push, topic: str) -> NotificationRequest:
    """Return a push as aioapns' request; `time_to_live` is Apple's absolute expiry in seconds."""
    return NotificationRequest(
        device_token=push.address,
        message=payload_of(push),
        notification_id=push.delivery_id,
        time_to_live=None if push.expire_time is None else int(push.expire_time.timestamp()),
        priority=int(PRIORITY_HIGH),
        collapse_key=push.collapse_key or None,
        push_type=PushType.ALERT,
        apns_topic=topic,
    )


def body_of(request: NotificationRequest) -> bytes:
    """Return a request's body, its text cut so that it fits."""
    return fit_body(request.message, ("aps", "alert", "body"), encode, PAYLOAD_LIMIT)[1]


def headers_of(request: NotificationRequest) -> dict[str, str]:
    """Return a request's headers, without the authorization."""
    headers = {
        "apns-id": str(request.notification_id),
        "apns-topic": str(request.apns_topic),
        "apns-push-type": PushType.ALERT.value,
        "apns-priority": str(request.priority),
    }
    if request.time_to_live is not None:
        headers["apns-expiration"] = str(request.time_to_live)
    if request.collapse_key:
        headers["apns-collapse-id"] = request.collapse_key
    return headers


def payload_of(push: Push) -> dict[str, Any]:
    """Return the payload: the alert for the screen, and beside it what the app reads."""
    aps: dict[str, Any] = {
        "alert": {"title": push.title, "body": push.body},
        "sound": "default",
        "mutable-content": 1,
        "interruption-level": "time-sensitive" if push.time_sensitive else "active",
    }
    if push.kind is not None:
        aps["thread-id"] = aps["category"] = push.kind.name
    payload: dict[str, Any] = {"aps": aps, **app_keys(push)}
    if push.data:
        payload["data"] = push.data
    return payload


def app_keys(push: Push) -> dict[str, str]:
    """Return what the app is told besides the text, by either provider."""
    keys = {"delivery_id": push.delivery_id}
    if push.notification_id:
        keys["notification_id"] = push.notification_id
    if push.kind is not None:
        keys["kind"] = push.kind.name
    if push.registration_ref:
        keys["registration_ref"] = push.registration_ref
    return keys


def encode(payload: Mapping[str, Any]) -> bytes:
    """Return the exact bytes that are sent, which Apple counts."""
    return compact.encode(payload).encode()
