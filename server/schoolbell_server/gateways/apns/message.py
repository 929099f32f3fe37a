"""What APNs is told: the payload and the headers of a push."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from aioapns import PushType
from aioapns.common import PRIORITY_HIGH

from schoolbell_server.domain import compact
from schoolbell_server.domain.kinds import Kind
from schoolbell_server.gateways.common.fitting import fit_body
from schoolbell_server.gateways.common.push import Push

PAYLOAD_LIMIT = 4096  # bytes of UTF-8


class ApnsMessages:
    """Bodies and headers of pushes; what pushes of one batch share is made once."""

    def __init__(self, topic: str, authorization: str) -> None:
        """All of them show the `authorization`, '' for none."""
        self.authorization = authorization
        self._shared = {
            "apns-topic": topic,
            "apns-push-type": PushType.ALERT.value,
            "apns-priority": str(PRIORITY_HIGH),
        }
        if authorization:
            self._shared["authorization"] = authorization
        self._screens: dict[tuple[str, str, Kind | None, bool], str] = {}
        """What is for the screen, encoded."""

    def headers(self, push: Push) -> dict[str, str]:
        """Return a push's headers; its expiry is Apple's, in seconds since the epoch."""
        headers = {"apns-id": push.delivery_id, **self._shared}
        if push.expire_time is not None:
            headers["apns-expiration"] = str(int(push.expire_time.timestamp()))
        if push.collapse_key:
            headers["apns-collapse-id"] = push.collapse_key
        return headers

    def body(self, push: Push) -> bytes:
        """Return the exact bytes of a push's payload, its text cut so that they fit."""
        told = (push.title, push.body, push.kind, push.time_sensitive)
        screen = self._screens.get(told)
        if screen is None:
            screen = self._screens[told] = compact.encode(_screen(push))[:-1]
        body = f"{screen},{compact.encode(_beside(push))[1:]}".encode()
        if len(body) <= PAYLOAD_LIMIT:
            return body
        return fit_body(payload_of(push), ("aps", "alert", "body"), encode, PAYLOAD_LIMIT)[1]


def path_of(push: Push) -> str:
    """Return what is asked for: the device."""
    return f"3/device/{quote(push.address, safe='')}"


def payload_of(push: Push) -> dict[str, Any]:
    """Return the payload: the alert for the screen, and beside it what the app reads."""
    return {**_screen(push), **_beside(push)}


def _screen(push: Push) -> dict[str, Any]:
    aps: dict[str, Any] = {
        "alert": {"title": push.title, "body": push.body},
        "sound": "default",
        "mutable-content": 1,
        "interruption-level": "time-sensitive" if push.time_sensitive else "active",
    }
    if push.kind is not None:
        aps["thread-id"] = aps["category"] = push.kind.name
    return {"aps": aps}


def _beside(push: Push) -> dict[str, Any]:
    return {**app_keys(push), "data": push.data} if push.data else app_keys(push)


def app_keys(push: Push) -> dict[str, str]:
    """Return what the app is told besides the text, by either provider."""
    keys = {"delivery_id": push.delivery_id}
    if push.notification_id:
        keys["notification_id"] = push.notification_id
    if push.kind is not None:
        keys["kind"] = push.kind.name
    if push.detail_level is not None:
        keys["detail_level"] = push.detail_level.name
    if push.registration_ref:
        keys["registration_ref"] = push.registration_ref
    return keys


def encode(payload: Mapping[str, Any]) -> bytes:
    """Return the exact bytes that are sent, which Apple counts."""
    return compact.encode(payload).encode()
