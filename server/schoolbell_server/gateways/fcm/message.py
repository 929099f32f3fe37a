"""What FCM is told: the message of a push, built by pyfcm."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from pyfcm import FCMNotification

from schoolbell_server.gateways.apns.message import app_keys, encode
from schoolbell_server.gateways.common.fitting import fit_body
from schoolbell_server.gateways.common.push import Push
from schoolbell_server.gateways.settings import AndroidConfig, AndroidStyle

PAYLOAD_LIMIT = 4096  # bytes of keys and values
LONGEST_TTL = 2_419_200  # seconds
_RESERVED = frozenset({"from", "message_type"})
_RESERVED_STARTS = ("google", "gcm")


class _Builder(FCMNotification):  # type: ignore[misc]
    """pyfcm's payloads as objects: it does not know `fid` yet."""

    def json_dumps(self, data: dict[str, Any]) -> dict[str, Any]:
        return data


class FcmMessages:
    """Builds the messages of one app: data by default, which the app draws itself.

    The collapse key is the notification's tag, so that a duplicate replaces and never stacks; FCM's
    own collapse key would throttle.
    """

    def __init__(self, config: AndroidConfig) -> None:
        self._system = config.style is AndroidStyle.NOTIFICATION
        self._label = config.analytics_label
        # pyfcm wants credentials, and uses none of them to build a payload.
        self._builder = _Builder(credentials=object(), project_id=config.project_id)

    def encode(self, push: Push, now: dt.datetime) -> bytes | None:
        """Return the request's body; None for what FCM would refuse whatever the address is."""
        data, counted = fit_body(_data(push), ("body",), _size, PAYLOAD_LIMIT)
        if len(counted) > PAYLOAD_LIMIT or not _RESERVED.isdisjoint(data):
            return None
        if any(key.startswith(_RESERVED_STARTS) for key in data):
            return None
        document = self._builder.parse_payload(
            notification_title=data["title"] if self._system else None,
            notification_body=data["body"] if self._system else None,
            data_payload=data,
            android_config=self._android(push, now),
            fcm_options={"analytics_label": self._label} if self._label else None,
        )
        document["message"]["fid" if push.fid else "token"] = push.address
        return encode(document)

    def _android(self, push: Push, now: dt.datetime) -> dict[str, Any]:
        android: dict[str, Any] = {"priority": "HIGH", "ttl": f"{_ttl(push, now)}s"}
        if self._system and push.collapse_key:
            android["notification"] = {"tag": push.collapse_key}
        return android


def _ttl(push: Push, now: dt.datetime) -> int:
    if push.expire_time is None:
        return LONGEST_TTL
    return max(0, min(LONGEST_TTL, int((push.expire_time - now).total_seconds())))


def _data(push: Push) -> dict[str, Any]:
    data = {**push.data, "title": push.title, "body": push.body, **app_keys(push)}
    if push.collapse_key:
        data["tag"] = push.collapse_key
    if push.time_sensitive:
        data["time_sensitive"] = "true"
    return data


def _size(data: Mapping[str, Any]) -> bytes:
    """Return what Google counts: keys and values."""
    return "".join(f"{key}{value}" for key, value in data.items()).encode()
