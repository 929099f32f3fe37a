"""What the providers accepted and what each phone shows, in memory and bounded."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from schoolbell_sandbox.bounded_log import BoundedLog
from schoolbell_server.domain.kinds import Provider


@dataclass(slots=True, kw_only=True)
class Arrival:
    """One accepted notification and what became of it on the phone."""

    index: int = 0
    """Counts from 1 over both providers."""
    provider: Provider
    address: str
    app: str
    """APNs' topic, or FCM's project."""
    delivery_id: str
    provider_message_id: str
    collapse_key: str
    """Replaces on screen whatever carries the same key for the same app."""
    payload: bytes
    accept_time: float
    """Epoch seconds, by the sandbox's clock."""
    expire_time: float | None = None
    show_time: float | None = None
    """None while the phone has not shown it."""

    @property
    def content(self) -> dict[str, Any]:
        """The payload's JSON object; empty if it is none."""
        try:
            content = json.loads(self.payload)
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def text(self) -> tuple[str, str]:
        """The title and the body a person reads; empty where the payload has none."""
        content = self.content
        texts = {Provider.APNS: _apns_text, Provider.FCM: _fcm_text}[self.provider](content)
        return str(texts.get("title") or ""), str(texts.get("body") or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTotals:
    """Counts since the last reset."""

    accepted: int
    shown: int
    replaced: int
    """Shown, then replaced by another with the same collapse key."""
    expired: int
    """Accepted, but dropped by the provider or the phone before anybody saw it."""
    duplicates: int
    """Acceptances beyond the first of the same delivery."""
    phones: int
    invalid_json: int
    rejected: dict[str, int]
    """By the provider's reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLimits:
    """How much is kept; the oldest goes first, the totals stay right."""

    arrivals: int = 200_000
    deliveries: int = 1_000_000
    shown_per_phone: int = 500


class Ledger:
    """Records acceptances and what is on each phone's screen."""

    def __init__(self, limits: LedgerLimits | None = None) -> None:
        self._limits = limits or LedgerLimits()
        self._accepted: BoundedLog[Arrival] = BoundedLog(self._limits.arrivals)
        self._shown: BoundedLog[Arrival] = BoundedLog(self._limits.arrivals)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._accepted.clear()
        self._shown.clear()
        self._counts: dict[str, int] = {}
        self._screens: dict[str, dict[tuple[str, str], Arrival]] = {}
        self._replaced = self._expired = self._duplicates = 0
        self.invalid_json = 0
        self._rejected: dict[str, int] = {}

    # -- writing

    def accept(self, arrival: Arrival) -> None:
        """Record an acceptance, whatever the phone makes of it."""
        arrival.index = self._accepted.append(arrival)
        key = arrival.delivery_id
        if not key:
            return
        count = self._counts.get(key, 0)
        self._counts[key] = count + 1
        if count:
            self._duplicates += 1
        elif len(self._counts) > self._limits.deliveries:
            del self._counts[next(iter(self._counts))]

    def reject(self, reason: str) -> None:
        """Count a refusal."""
        self._rejected[reason] = self._rejected.get(reason, 0) + 1

    def show(self, arrival: Arrival, now: float) -> None:
        """Put a notification on the phone's screen, in place of one with the same collapse key."""
        arrival.show_time = now
        self._shown.append(arrival)
        screen = self._screens.get(arrival.address)
        if screen is None:
            screen = self._screens[arrival.address] = {}
        key = (arrival.app, arrival.collapse_key or f"#{arrival.index}")
        if screen.pop(key, None) is not None:
            self._replaced += 1
        screen[key] = arrival
        if len(screen) > self._limits.shown_per_phone:
            del screen[next(iter(screen))]

    def expire(self, count: int = 1) -> None:
        """Count notifications that nobody will see."""
        self._expired += count

    # -- reading

    def since(self, index: int = 0, limit: int | None = None) -> list[Arrival]:
        """Return the acceptances after an index, oldest first."""
        return self._accepted.since(index, limit)

    def follow_shown(self, index: int = 0) -> AsyncIterator[list[Arrival]]:
        """Yield what phones show, in batches, in the order in which they show it."""
        return self._shown.follow(index)

    def arrivals(self, address: str) -> list[Arrival]:
        """Return what was accepted for a phone, oldest first."""
        return [arrival for arrival in self._accepted.since() if arrival.address == address]

    def screen(self, address: str) -> list[Arrival]:
        """Return what a phone shows, oldest first."""
        return list(self._screens.get(address, {}).values())

    def phones(self) -> list[str]:
        """Return the addresses that were shown anything."""
        return list(self._screens)

    def count(self, delivery_id: str) -> int:
        """Return how often a delivery was accepted."""
        return self._counts.get(delivery_id, 0)

    def duplicates(self) -> dict[str, int]:
        """Return the deliveries accepted more than once."""
        return {key: count for key, count in self._counts.items() if count > 1}

    def totals(self) -> LedgerTotals:
        """Return the counts."""
        return LedgerTotals(
            accepted=self._accepted.count,
            shown=self._shown.count,
            replaced=self._replaced,
            expired=self._expired,
            duplicates=self._duplicates,
            phones=len(self._screens),
            invalid_json=self.invalid_json,
            rejected=dict(self._rejected),
        )


def _apns_text(content: dict[str, Any]) -> dict[str, Any]:
    aps = _part(content, "aps")
    alert = aps.get("alert")
    return {"body": alert} if isinstance(alert, str) else _part(aps, "alert")


def _fcm_text(content: dict[str, Any]) -> dict[str, Any]:
    message = _part(content, "message")
    places = (message, _part(message, "android"))
    texts = [_part(place, name) for name in ("data", "notification") for place in places]
    return {key: value for text in texts for key, value in text.items()}


def _part(content: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object inside another, or an empty one: null and nonsense are accepted too."""
    value = content.get(name)
    return value if isinstance(value, dict) else {}
