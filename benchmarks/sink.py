"""A provider that accepts everything at once: HTTP/2 over TLS, and as little work as can be.

The sandbox checks what the real providers check and therefore costs as much as the service; where
the service is to be the limit, this is what it sends to. Header blocks are never decoded: the
port says which provider it is. What arrives is written down as lines of time and delivery id.

Started as a process, with the sandbox's directory, whose authority signs its certificate, and the
file for what arrives.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import struct
import sys
import time
from functools import partial
from pathlib import Path
from typing import TextIO, cast

import uvloop

from schoolbell_sandbox.certificates import Authority, CertificatePem

_PREFACE = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
_DATA, _HEADERS, _SETTINGS, _PING, _WINDOW_UPDATE = 0, 1, 4, 6, 8
_ACK = _END_STREAM = 1
_END_HEADERS = 4
_STATUS_200 = b"\x88"  # an entry of HPACK's static table
_STREAMS, _WINDOW = 3, 4  # of SETTINGS
_LARGE = 2**30  # bytes of flow control, renewed long before they are used up
_DELIVERY_ID = re.compile(rb'"delivery_id": ?"([^"]*)"')
_FCM_ANSWER = b'{"name":"projects/schoolbell-sandbox/messages/0"}'


class Sink(asyncio.Protocol):
    """One connection."""

    def __init__(self, answer: bytes, arrivals: TextIO) -> None:
        """`answer` is the body of every response, `arrivals` where pushes are written down."""
        self._answer = answer
        self._arrivals = arrivals
        self._rest = b""
        self._read = 0
        self._bodies: dict[int, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Offer as many streams as anybody could want."""
        self._transport = cast(asyncio.WriteTransport, transport)
        settings = struct.pack(">HIHI", _STREAMS, 5_000, _WINDOW, _LARGE)
        self._transport.write(_frame(_SETTINGS, 0, 0, settings) + _window())
        self._skip = _PREFACE

    def data_received(self, data: bytes) -> None:
        """Answer every request that the data completes."""
        data = self._rest + data
        place, self._skip = min(self._skip, len(data)), self._skip - min(self._skip, len(data))
        answers = bytearray()
        while len(data) - place >= 9:
            end = place + 9 + int.from_bytes(data[place : place + 3], "big")
            if len(data) < end:
                break
            answers += self._frame(data[place + 3], data[place + 4], data[place + 5 : end])
            place = end
        self._rest = data[place:]
        self._read += place
        if self._read > _LARGE // 2:
            self._read = 0
            answers += _window()
        if answers:
            self._transport.write(answers)

    def _frame(self, kind: int, flags: int, rest: bytes) -> bytes:
        """Take a frame from its stream id on; return what it is answered with."""
        stream, body = int.from_bytes(rest[:4], "big"), rest[4:]
        if kind == _DATA:
            self._bodies[stream] = self._bodies.get(stream, b"") + body
        if kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            return self._accept(stream, self._bodies.pop(stream, b""))
        if kind in (_SETTINGS, _PING) and not flags & _ACK:
            return _frame(kind, _ACK, 0, body if kind == _PING else b"")
        return b""

    def _accept(self, stream: int, body: bytes) -> bytes:
        found = _DELIVERY_ID.search(body)
        if found:
            self._arrivals.write(f"{time.time()} {found[1].decode()}\n")
        if not self._answer:
            return _frame(_HEADERS, _END_HEADERS | _END_STREAM, stream, _STATUS_200)
        headers = _frame(_HEADERS, _END_HEADERS, stream, _STATUS_200)
        return headers + _frame(_DATA, _END_STREAM, stream, self._answer)


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return struct.pack(">IBI", len(body) << 8 | kind, flags, stream) + body


def _window() -> bytes:
    return _frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _LARGE))


async def serve(context: ssl.SSLContext, arrivals: TextIO) -> None:
    """Say the ports in a line of JSON, then serve until killed."""
    loop = asyncio.get_running_loop()
    ports = {}
    for name, answer in (("apns_port", b""), ("fcm_port", _FCM_ANSWER)):
        factory = partial(Sink, answer, arrivals)
        server = await loop.create_server(factory, "127.0.0.1", 0, ssl=context)
        ports[name] = server.sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    await asyncio.Event().wait()


def _context(directory: Path) -> ssl.SSLContext:
    pem = CertificatePem(
        certificate=(directory / "ca.pem").read_bytes(), key=(directory / "ca-key.pem").read_bytes()
    )
    signed = Authority(pem).server()
    file = directory / "sink.pem"
    file.write_bytes(signed.certificate + signed.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2"])
    context.load_cert_chain(file)
    return context


def main() -> None:
    """Serve until killed."""
    directory, arrivals = map(Path, sys.argv[1:])
    with arrivals.open("w", buffering=1) as lines:  # a line a push, so that it can be read at once
        uvloop.run(serve(_context(directory), lines))


if __name__ == "__main__":
    main()
