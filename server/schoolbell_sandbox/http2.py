"""One HTTP/2 connection of a gateway: hyper-h2 for the framing, one write per batch of input.

It keeps two things from h2, so that they can be broken on purpose: the limit of open streams (h2
would end the connection over it; RFC 9113 lets us refuse the stream) and GOAWAY, ours and the
client's (h2 would stop talking after it).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    SettingsAcknowledged,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame, SettingsFrame

from schoolbell_sandbox.effect import Effect, GoAway, LastStream
from schoolbell_sandbox.exchange import Header, Reply, Request, SessionFactory
from schoolbell_sandbox.http2_effects import perform
from schoolbell_sandbox.outgoing import OutgoingBodies

MAX_STREAM_ID = 2**31 - 1
WINDOW_CHUNK = 16_384
"""Bytes of the connection's window given back at a time."""

_CONFIG = H2Configuration(
    client_side=False,
    header_encoding=None,
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
    split_outbound_cookies=False,
)


@dataclass(slots=True)
class _Incoming:
    headers: list[Header]
    chunks: list[bytes]


class Http2Connection(asyncio.Protocol):
    """Answers requests in the order in which they end."""

    def __init__(
        self, sessions: SessionFactory, peers: set[Http2Connection], stream_limit: int
    ) -> None:
        self._sessions = sessions
        self._peers = peers
        self._h2 = H2Connection(_CONFIG)
        self._initial_limit = stream_limit
        self._limit: int | None = None
        self._limits_sent: deque[int | None] = deque()
        self._incoming: dict[int, _Incoming] = {}
        self.bodies = OutgoingBodies(self._h2)
        self._unanswered: set[int] = set()
        self._last_processed = 0
        self._last_allowed = MAX_STREAM_ID
        self._closing = False
        self._silent = False
        self._withheld = False
        self._consumed = 0

    @property
    def newest_stream(self) -> int:
        """The highest stream the client has opened."""
        return self._h2.highest_inbound_stream_id

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send our SETTINGS: the client must wait for them before it sends more than one."""
        self._transport = cast(asyncio.Transport, transport)
        self._peers.add(self)
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: self._initial_limit,
                SettingCodes.MAX_HEADER_LIST_SIZE: 65_536,
            },
        )
        self._h2.initiate_connection()
        self._limits_sent.append(self._initial_limit)
        # From here on the limit is ours to enforce: h2 would kill the connection over it.
        self._h2.local_settings = Settings(
            client=False, initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAM_ID}
        )
        self.flush()
        self._session = self._sessions(self, certificate_topics(self._transport))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was under way."""
        self._peers.discard(self)
        self._silent = True
        self._incoming.clear()
        self._unanswered.clear()

    def data_received(self, data: bytes) -> None:
        """Answer everything the data completes, with one write."""
        if self._silent:
            return
        try:
            events = self._h2.receive_data(data)
        except ProtocolError:
            self.close()
            return
        self._stay_open()
        for event in events:
            # What we say on a stream that the client reset later in the same input is lost.
            with suppress(ProtocolError):
                self._on_event(event)
        self._give_back_window()
        self.flush()
        self._close_if_drained()

    def pause_writing(self) -> None:
        """Read no more from a client that does not read us."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        if not self._silent:
            self._transport.resume_reading()

    # -- events

    def _on_event(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._on_request(event)
            case DataReceived():
                self._on_data(event)
            case StreamEnded():
                self._on_end(event.stream_id)
            case StreamReset():
                self._forget(event.stream_id)
            case WindowUpdated() | RemoteSettingsChanged():
                self.bodies.send()
            case SettingsAcknowledged():
                limit = self._limits_sent.popleft() if self._limits_sent else None
                self._limit = self._limit if limit is None else limit
            case ConnectionTerminated():
                self._closing = True
            case _:
                pass

    def _on_request(self, event: RequestReceived) -> None:
        stream_id = event.stream_id
        if stream_id > self._last_allowed:
            return
        if self._limit is not None and len(self._unanswered) >= self._limit:
            self._h2.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        self._unanswered.add(stream_id)
        self._incoming[stream_id] = _Incoming(event.headers, [])

    def _on_data(self, event: DataReceived) -> None:
        self._consumed += event.flow_controlled_length
        incoming = self._incoming.get(event.stream_id)
        if incoming is None:
            return
        incoming.chunks.append(event.data)
        if event.stream_ended is None and not self._withheld and event.flow_controlled_length:
            # The same input may hold the stream's end: h2 then knows it no more.
            with suppress(KeyError):
                self._h2.increment_flow_control_window(
                    event.flow_controlled_length, event.stream_id
                )

    def _on_end(self, stream_id: int) -> None:
        incoming = self._incoming.pop(stream_id, None)
        if incoming is None or stream_id > self._last_allowed or self._silent:
            return
        answer = self._session.handle(to_request(incoming.headers, b"".join(incoming.chunks)))
        effect = answer.effect
        if effect is None or not effect.unprocessed:
            self._last_processed = max(self._last_processed, stream_id)
        if effect is None:
            self.reply(stream_id, answer.reply)
        else:
            perform(self, stream_id, answer.reply, effect)

    def _stay_open(self) -> None:
        """Speak on after a client's GOAWAY: it still waits for its answers."""
        if self._h2.state_machine.state is ConnectionState.CLOSED:
            self._h2.state_machine.state = ConnectionState.SERVER_OPEN

    def _forget(self, stream_id: int) -> None:
        self._incoming.pop(stream_id, None)
        self._unanswered.discard(stream_id)
        self.bodies.forget(stream_id)
        self.bodies.send()

    # -- answering

    def reply(self, stream_id: int, reply: Reply, effect: Effect | None = None) -> None:
        """Send an answer, unless its request is gone or was given up by a GOAWAY."""
        if stream_id not in self._unanswered:
            return
        self._unanswered.discard(stream_id)
        headers = [(b":status", b"%d" % reply.status), *reply.headers]
        trailers = effect is not None and effect.trailers
        self._h2.send_headers(stream_id, headers, end_stream=not reply.body and not trailers)
        if reply.body or trailers:
            self.bodies.start(stream_id, reply.body, effect)

    def inform(self, stream_id: int) -> None:
        """Send an informational answer ahead of the real one."""
        if stream_id in self._unanswered:
            self._h2.send_headers(stream_id, [(b":status", b"103")])

    def break_off(self, stream_id: int, reply: Reply) -> None:
        """Send the headers and half the body of an answer, then cut the connection."""
        if stream_id in self._unanswered:
            fields = [(b":status", b"%d" % reply.status), *reply.headers]
            self._h2.send_headers(stream_id, fields)
            self._h2.send_data(stream_id, reply.body[: len(reply.body) // 2])
            self.flush()
        self.abort()

    def reset(self, stream_id: int, error_code: int, headers: Reply | None) -> None:
        """Reset a request's stream, after the headers of an answer if one is given."""
        if stream_id not in self._unanswered:
            return
        if headers is not None:
            fields = [(b":status", b"%d" % headers.status), *headers.headers]
            self._h2.send_headers(stream_id, fields)
        self._unanswered.discard(stream_id)
        self._h2.reset_stream(stream_id, error_code)

    def go_away(self, goaway: GoAway, stream_id: int) -> None:
        """Send GOAWAY; streams above the last one are dropped without an answer.

        What has been processed cannot be disowned: the line is never drawn below it.
        """
        last = {
            LastStream.BELOW: max(stream_id - 2, self._last_processed, 0),
            LastStream.AT: max(stream_id, self._last_processed),
            LastStream.ABOVE: MAX_STREAM_ID,
        }[goaway.last_stream]
        self._last_allowed = min(self._last_allowed, last)
        self._closing = self._closing or goaway.close
        debug = b'{"reason":"%s"}' % goaway.reason.encode() if goaway.reason else b""
        frame = GoAwayFrame(0, self._last_allowed, goaway.error_code, additional_data=debug)
        self._write_frame(frame.serialize())
        self._unanswered = {s for s in self._unanswered if s <= self._last_allowed}

    # -- the connection as a whole

    def set_stream_limit(self, limit: int) -> None:
        """Announce how many requests may be open at once."""
        self.change_settings({"MAX_CONCURRENT_STREAMS": limit})

    def change_settings(self, values: Mapping[str, int]) -> None:
        """Send SETTINGS, by the RFC's names."""
        codes: dict[SettingCodes | int, int] = {
            SettingCodes[name]: value for name, value in values.items()
        }
        limit = codes.pop(SettingCodes.MAX_CONCURRENT_STREAMS, None)
        if limit is not None:
            self._limits_sent.append(limit)
            frame = SettingsFrame(0, settings={SettingCodes.MAX_CONCURRENT_STREAMS: limit})
            self._write_frame(frame.serialize())
        if codes:
            self._limits_sent.append(None)
            self._h2.update_settings(codes)
            self.flush()

    def withhold_window(self, withheld: bool) -> None:
        """Stop giving the client its window back, or resume and give back what is owed."""
        self._withheld = withheld
        self._give_back_window()

    def flush(self) -> None:
        """Write what is ready."""
        if data := self._h2.data_to_send():
            self._write(data)

    def close(self) -> None:
        """Close cleanly, after what is written."""
        self.flush()
        self._silent = True
        self._transport.close()

    def abort(self) -> None:
        """Cut the connection at once."""
        self._silent = True
        self._transport.abort()

    def go_silent(self) -> None:
        """Read and write nothing any more, and keep the connection."""
        self._silent = True
        self._transport.pause_reading()

    def _close_if_drained(self) -> None:
        if self._closing and not self._unanswered and not self.bodies and not self._silent:
            self.close()

    def settle(self) -> None:
        """Write what is ready, and close if that was the last of it."""
        self.flush()
        self._close_if_drained()

    def _give_back_window(self) -> None:
        if self._consumed >= WINDOW_CHUNK and not self._withheld and not self._closing:
            self._h2.increment_flow_control_window(self._consumed)
            self._consumed = 0

    def _write_frame(self, frame: bytes) -> None:
        self._write(self._h2.data_to_send() + frame)

    def _write(self, data: bytes) -> None:
        if not self._silent:
            self._transport.write(data)


def to_request(fields: list[Header], body: bytes) -> Request:
    """Gather decoded header fields and a body."""
    headers = dict(fields)
    repeated = len(headers) != len(fields)
    method = headers.pop(b":method", b"")
    path = headers.pop(b":path", b"")
    return Request(method=method, path=path, headers=headers, repeated_header=repeated, body=body)


def certificate_topics(transport: asyncio.BaseTransport) -> tuple[str, ...]:
    """Return the topics a client's certificate stands for: the user ids of its subject."""
    tls = transport.get_extra_info("ssl_object")
    certificate: dict[str, Any] = (tls.getpeercert() if tls else None) or {}
    pairs = (pair for name in certificate.get("subject", ()) for pair in name)
    return tuple(str(value) for key, value in pairs if key in ("userId", "UID"))
