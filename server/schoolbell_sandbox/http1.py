"""HTTP/1.1 as FCM's clients speak it: one request after the other, bodies of known length."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import cast

from schoolbell_sandbox.effect import Closing, Effect, GoAway
from schoolbell_sandbox.exchange import Connection, Reply, Request, SessionFactory
from schoolbell_sandbox.http2_effects import disguise

MAX_HEAD = 65_536
MAX_BODY = 1_048_576


class Http1Connection(asyncio.Protocol):
    """Answers pipelined requests in order."""

    def __init__(self, sessions: SessionFactory, peers: set[Http1Connection]) -> None:
        self._sessions = sessions
        self._peers = peers
        self._buffer = bytearray()
        self._busy = False
        self._silent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the session."""
        self._transport = cast(asyncio.Transport, transport)
        self._peers.add(self)
        connection: Connection = _NoStreams()
        self._session = self._sessions(connection, ())

    def connection_lost(self, exc: Exception | None) -> None:
        """Answer nothing any more."""
        self._peers.discard(self)
        self._silent = True

    def data_received(self, data: bytes) -> None:
        """Answer the requests that are complete."""
        self._buffer += data
        self._work()

    def abort(self) -> None:
        """Cut the connection at once."""
        self._silent = True
        self._transport.abort()

    def _work(self) -> None:
        while not self._busy and not self._silent:
            try:
                request = take_request(self._buffer)
            except ValueError:
                self._write(Reply(status=400))
                self._transport.close()
                return
            if request is None:
                return
            self._answer(request)

    def _answer(self, request: Request) -> None:
        answer = self._session.handle(request)
        effect = answer.effect or Effect()
        if effect.close is Closing.ABORT or effect.reset is not None or effect.goaway is not None:
            self.abort()
        elif effect.silent or effect.close is Closing.HALF_OPEN:
            self._busy = True
        elif effect.delay:
            self._busy = True
            loop = asyncio.get_running_loop()
            loop.call_later(effect.delay, self._late, answer.reply, effect)
        else:
            self._finish(answer.reply, effect)

    def _late(self, reply: Reply, effect: Effect) -> None:
        self._busy = False
        self._finish(reply, effect)
        self._work()

    def _finish(self, reply: Reply, effect: Effect) -> None:
        if self._silent:
            return
        whole = serialize(disguise(reply, effect))
        if effect.close is Closing.IN_BODY:
            self._transport.write(whole[: len(whole) - len(reply.body) // 2 - 1])
            self.abort()
            return
        self._transport.write(whole)
        if effect.close is Closing.CLEAN:
            self._transport.close()

    def _write(self, reply: Reply) -> None:
        self._transport.write(serialize(reply))


class _NoStreams:
    """HTTP/1.1 has neither streams to limit nor GOAWAY."""

    def set_stream_limit(self, limit: int) -> None:
        """Do nothing."""

    def go_away(self, goaway: GoAway, stream_id: int) -> None:
        """Do nothing."""


def take_request(buffer: bytearray) -> Request | None:
    """Take one whole request off the buffer, or nothing if it is not complete.

    Raises ValueError for what is not HTTP/1.1 or too large.
    """
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if len(buffer) > MAX_HEAD:
            raise ValueError("head too large")
        return None
    first, *lines = bytes(buffer[:end]).split(b"\r\n")
    method, path, _ = first.split(b" ")
    pairs = [(name.lower(), value.strip()) for name, _, value in (x.partition(b":") for x in lines)]
    headers = dict(pairs)
    if b"transfer-encoding" in headers:
        raise ValueError("chunked bodies are not taken")
    length = int(headers.get(b"content-length", b"0"))
    if not 0 <= length <= MAX_BODY:
        raise ValueError("body too large")
    start = end + 4
    if len(buffer) < start + length:
        return None
    body = bytes(buffer[start : start + length])
    del buffer[: start + length]
    repeated = len(headers) != len(pairs)
    return Request(method=method, path=path, headers=headers, repeated_header=repeated, body=body)


def serialize(reply: Reply) -> bytes:
    """Return a reply as HTTP/1.1 writes it."""
    lines = [b"HTTP/1.1 %d %s" % (reply.status, HTTPStatus(reply.status).phrase.encode())]
    lines += [name + b": " + value for name, value in reply.headers]
    lines.append(b"content-length: %d" % len(reply.body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + reply.body
