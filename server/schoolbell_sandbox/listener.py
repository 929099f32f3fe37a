"""A gateway's port: TLS with HTTP/2 (and HTTP/1.1), and the ways a port can fail."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import tempfile
import warnings
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import cast

from schoolbell_sandbox.certificates import Authority, CertificateFlaw, CertificatePem
from schoolbell_sandbox.effect import GoAway
from schoolbell_sandbox.exchange import SessionFactory
from schoolbell_sandbox.http1 import Http1Connection
from schoolbell_sandbox.http2 import Http2Connection


class PortMode(StrEnum):
    """How the port answers new connections."""

    SERVING = "serving"
    REFUSING = "refusing"
    """Nobody listens."""
    SILENT = "silent"
    """The connection is accepted and TLS never starts."""
    SILENT_TLS = "silent_tls"
    """TLS is set up, and then nothing is said."""


class Listener:
    """One port; its number stays the same in every mode."""

    def __init__(
        self,
        sessions: SessionFactory,
        authority: Authority,
        *,
        host: str,
        port: int,
        stream_limit: int,
        http1: bool,
        require_alpn: bool = False,
    ) -> None:
        self._sessions = sessions
        self._authority = authority
        self._host = host
        self.port = port
        self._stream_limit = stream_limit
        self._http1 = http1
        self._require_alpn = require_alpn
        self._server: asyncio.Server | None = None
        self._context = self._new_context()
        self.connections: set[Http2Connection] = set()
        self.http1_connections: set[Http1Connection] = set()
        self._silent: set[asyncio.Transport] = set()

    async def start(self, mode: PortMode = PortMode.SERVING) -> None:
        """Listen, in the given mode."""
        context = None if mode is PortMode.SILENT else self._context
        silent = mode is not PortMode.SERVING
        factory: Callable[[], asyncio.Protocol] = self._mute if silent else self._protocol
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            factory, self._host, self.port, ssl=context, backlog=1024, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def set_mode(self, mode: PortMode) -> None:
        """Change how new connections are answered; those that exist stay."""
        await self._stop_listening()
        if mode is not PortMode.REFUSING:
            await self.start(mode)

    async def close(self) -> None:
        """Stop listening and cut all connections."""
        await self._stop_listening()
        self.cut()
        for transport in self._silent:
            transport.abort()
        # The loop reports the loss of each in one of its next rounds, to the connection alone.
        while self.connections or self.http1_connections or self._silent:  # noqa: ASYNC110
            await asyncio.sleep(0)

    def cut(self) -> None:
        """Cut all connections with RST."""
        for connection in list(self.connections):
            connection.abort()
        for simple in list(self.http1_connections):
            simple.abort()

    def use_certificate(self, flaw: CertificateFlaw = CertificateFlaw.NONE) -> None:
        """Show new connections a new certificate, flawed or good."""
        _load(self._context, self._authority.server(flaw))

    def offer_tls_1_1(self, only: bool) -> None:
        """Offer nothing newer than TLS 1.1, or nothing older than 1.2; from the next mode on."""
        context = self._context
        context.set_ciphers("ALL:@SECLEVEL=0" if only else "DEFAULT")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # old on purpose
            context.minimum_version = ssl.TLSVersion.TLSv1 if only else ssl.TLSVersion.TLSv1_2
            newest = ssl.TLSVersion.TLSv1_1 if only else ssl.TLSVersion.MAXIMUM_SUPPORTED
            context.maximum_version = newest

    def change_settings(self, values: Mapping[str, int]) -> None:
        """Send SETTINGS on all connections."""
        for connection in list(self.connections):
            connection.change_settings(values)

    def go_away(self, goaway: GoAway) -> None:
        """Send GOAWAY on all connections, counted from the newest request of each."""
        for connection in list(self.connections):
            connection.go_away(goaway, connection.newest_stream)
            connection.settle()

    async def _stop_listening(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
            await asyncio.sleep(0)  # the loop lets go of the socket in its next round

    def _protocol(self) -> asyncio.Protocol:
        return _Negotiation(self)

    def _mute(self) -> asyncio.Protocol:
        return _Mute(self._silent)

    def new_connection(self, alpn: str | None) -> asyncio.Protocol | None:
        """Return who speaks the negotiated protocol, or nothing if none may be spoken."""
        if alpn == "h2" or (alpn is None and not self._http1 and not self._require_alpn):
            return Http2Connection(self._sessions, self.connections, self._stream_limit)
        if self._http1:
            return Http1Connection(self._sessions, self.http1_connections)
        return None

    def _new_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["h2", "http/1.1"] if self._http1 else ["h2"])
        context.load_verify_locations(cadata=self._authority.pem.certificate.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
        _load(context, self._authority.server())
        return context


class _Negotiation(asyncio.Protocol):
    """Hands the connection over to whoever speaks what ALPN chose."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tls = transport.get_extra_info("ssl_object")
        protocol = self._listener.new_connection(tls.selected_alpn_protocol())
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if protocol is None:
            transport.close()
            return
        # uvloop's transports are no subclass of asyncio's: there is nothing to check against.
        cast(asyncio.Transport, transport).set_protocol(protocol)
        protocol.connection_made(transport)


class _Mute(asyncio.Protocol):
    """Takes everything and says nothing."""

    def __init__(self, transports: set[asyncio.Transport]) -> None:
        self._transports = transports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transports.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transports.discard(self._transport)


def _load(context: ssl.SSLContext, pem: CertificatePem) -> None:
    # OpenSSL's Python binding reads certificates from files only.
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "server.pem"
        path.touch(mode=0o600)
        path.write_bytes(pem.certificate + pem.key)
        context.load_cert_chain(os.fspath(path))
