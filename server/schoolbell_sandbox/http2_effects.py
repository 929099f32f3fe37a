"""Let a fault befall an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from schoolbell_sandbox.effect import ApnsId, Closing, Effect, GoAway, LastStream
from schoolbell_sandbox.exchange import Reply


class Faulty(Protocol):
    """A connection that can be told to misbehave."""

    def reply(self, stream_id: int, reply: Reply, effect: Effect | None = None) -> None:
        """Send an answer."""

    def inform(self, stream_id: int) -> None:
        """Send an informational answer."""

    def reset(self, stream_id: int, error_code: int, headers: Reply | None) -> None:
        """Reset a stream."""

    def break_off(self, stream_id: int, reply: Reply) -> None:
        """Send half an answer, then close with RST."""

    def go_away(self, goaway: GoAway, stream_id: int) -> None:
        """Send GOAWAY."""

    def change_settings(self, values: Mapping[str, int]) -> None:
        """Send SETTINGS."""

    def withhold_window(self, withheld: bool) -> None:
        """Stop or resume giving window back."""

    def close(self) -> None:
        """Close with FIN."""

    def abort(self) -> None:
        """Close with RST."""

    def go_silent(self) -> None:
        """Keep the connection and say nothing."""

    def flush(self) -> None:
        """Write what is ready."""

    def settle(self) -> None:
        """Write what is ready, and close if that was the last of it."""


def perform(connection: Faulty, stream_id: int, reply: Reply, effect: Effect) -> None:
    """Do to the connection and to one answer what the effect says."""
    if effect.close is Closing.ABORT:
        connection.abort()
        return
    if effect.close is Closing.HALF_OPEN:
        connection.go_silent()
        return
    _disturb(connection, effect)
    if effect.goaway is not None:
        connection.go_away(effect.goaway, stream_id)
        if effect.goaway.last_stream is LastStream.BELOW:
            return
    _answer(connection, stream_id, reply, effect)


def _disturb(connection: Faulty, effect: Effect) -> None:
    if effect.withhold_window is not None:
        connection.withhold_window(effect.withhold_window)
    for step in effect.settings:
        if step.after:
            loop = asyncio.get_running_loop()
            loop.call_later(step.after, connection.change_settings, step.values)
        else:
            connection.change_settings(step.values)


def _answer(connection: Faulty, stream_id: int, reply: Reply, effect: Effect) -> None:
    if effect.silent:
        return
    if effect.informational:
        connection.inform(stream_id)
    if not effect.delay:
        _finish(connection, stream_id, reply, effect)
        return

    def late() -> None:
        _finish(connection, stream_id, reply, effect)
        connection.settle()

    asyncio.get_running_loop().call_later(effect.delay, late)


def _finish(connection: Faulty, stream_id: int, reply: Reply, effect: Effect) -> None:
    if effect.reset is not None:
        connection.reset(stream_id, effect.reset, reply if effect.reset_after_headers else None)
        return
    if effect.close is Closing.IN_BODY:
        connection.break_off(stream_id, disguise(reply, effect))
        return
    connection.reply(stream_id, disguise(reply, effect), effect)
    if effect.close is Closing.CLEAN:
        connection.close()


def disguise(reply: Reply, effect: Effect) -> Reply:
    """Change the answer's headers as the effect says."""
    extra = tuple((name.lower().encode(), text.encode()) for name, text in effect.headers.items())
    headers = reply.headers + extra
    if effect.apns_id is ApnsId.ABSENT:
        headers = tuple(field for field in headers if field[0] != b"apns-id")
    if effect.apns_id is ApnsId.UPPER:
        headers = tuple((n, v.upper() if n == b"apns-id" else v) for n, v in headers)
    return Reply(status=reply.status, headers=headers, body=reply.body)
