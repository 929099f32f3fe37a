"""What FCM is told: the message of a push, built by pyfcm."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from pyfcm import FCMNotification

from schoolbell_server.domain.kinds import DetailLevel
from schoolbell_server.gateways.apns.message import app_keys, encode
from schoolbell_server.gateways.app_config import AndroidConfig, AndroidStyle
from schoolbell_server.gateways.common.fitting import fit_body
from schoolbell_server.gateways.common.push import Push

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
        self._click_action = config.click_action
        self._label = config.analytics_label
        self._size = _size_twice if self._system else _size
        # pyfcm wants credentials, and uses none of them to build a payload.
        self._builder = _Builder(credentials=object(), project_id=config.project_id)

    def encode(self, push: Push, now: dt.datetime) -> bytes | None:
        """Return the request's body; None for what FCM would refuse whatever the address is."""
        data, counted = fit_body(_data(push), ("body",), self._size, PAYLOAD_LIMIT)
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
        android = {"priority": _priority(push), "ttl": f"{_ttl(push, now)}s"}
        drawn = self._drawn(push) if self._system else {}
        return {**android, "notification": drawn} if drawn else android

    def _drawn(self, push: Push) -> dict[str, str]:
        """Return how the system is to draw a push, besides its text.

        A channel that the app has not made is no harm: the app's default one is taken.
        """
        drawn = {}
        if push.collapse_key:
            drawn["tag"] = push.collapse_key
        if push.kind is not None:
            drawn["channel_id"] = push.kind.name
        if push.detail_level is not DetailLevel.GENERIC:
            drawn["visibility"] = "PRIVATE"
        if self._click_action:
            drawn["click_action"] = self._click_action
        return drawn


def _priority(push: Push) -> str:
    """Return HIGH, which wakes a sleeping phone, only for what cannot wait and for a try."""
    return "HIGH" if push.time_sensitive or push.kind is None else "NORMAL"


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


def _size_twice(data: Mapping[str, Any]) -> bytes:
    """Return the same where the system draws the text, which then is in the message twice."""
    return _size(data) + _size({name: data[name] for name in ("title", "body")})
