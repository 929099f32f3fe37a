"""Metrics over HTTP, for Prometheus: on loopback as they are, beyond it with TLS and a key.

It has threads of its own, so that it answers also while the event loop is held up.
"""

from __future__ import annotations

import hmac
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from schoolbell_server.address import Address

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_MOST = 16  # connections at once; further ones are closed
_PATIENCE = 10.0  # seconds that a connection may keep silent, in its handshake too
_LONGEST = 30.0  # seconds that a connection may take


class CannotServeMetrics(Exception):
    """Somebody else listens there, or it is not an address of this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsTls:
    """How metrics are kept from strangers."""

    certificate_file: Path
    key_file: Path
    client_ca_file: Path | None
    """Set, a scraper must show a certificate of it, as every caller must."""
    credential: str
    """What a scraper sends as `Authorization: Bearer …`."""

    def context(self) -> ssl.SSLContext:
        """Return TLS with the certificates that the files hold now."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate_file, self.key_file)
        if self.client_ca_file is not None:
            context.load_verify_locations(self.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@contextmanager
def metrics_endpoint(
    address: Address,
    registry: CollectorRegistry,
    tls: MetricsTls | None = None,
    *,
    listening: socket.socket | None = None,
) -> Iterator[Address]:
    """Serve `/metrics` while the context is open; answer where (port 0 was the kernel's choice).

    `listening` is a socket that listens at the address already, and stays open.
    """
    if tls is None and not address.is_loopback:
        raise ValueError("without a key, metrics are served on loopback only")
    app = make_wsgi_app(registry)
    try:
        server = _bind(address, app if tls is None else _guarded(app, tls.credential), listening)
    except OSError as error:
        raise CannotServeMetrics(f"server.metrics_listen: {address}: {error.strerror}") from None
    server.tls = tls
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield Address(address.host, server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingWSGIServer):
    """A thread a connection, few at once; TLS is spoken in that thread, so that none waits."""

    tls: MetricsTls | None = None

    def __init__(self, *arguments: Any, **more: Any) -> None:
        self._room = threading.BoundedSemaphore(_MOST)
        super().__init__(*arguments, **more)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        with _ended_in_time(request):
            if self.tls is None:
                super().finish_request(request, client_address)
                return
            with closing(self.tls.context().wrap_socket(request, server_side=True)) as secured:
                super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave a connection that failed to its other end: a stranger writes no log."""


@contextmanager
def _ended_in_time(request: socket.socket) -> Iterator[None]:
    """Cut a connection that takes too long, however often it says a byte."""
    request.settimeout(_PATIENCE)
    with request.dup() as same:
        cut = threading.Timer(_LONGEST, _cut, [same])
        cut.daemon = True
        cut.start()
        try:
            yield
        finally:
            cut.cancel()


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):  # it has ended meanwhile
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base's
        """Write nothing: a stranger writes no log."""


def _bind(address: Address, app: WSGIApplication, listening: socket.socket | None) -> _Server:
    taken = _listen(address) if listening is None else listening.dup()

    class Listening(_Server):
        def server_bind(self) -> None:
            self.socket.close()
            self.socket = taken
            self.server_name, self.server_port = address.host, taken.getsockname()[1]
            self.setup_environ()

    server: _Server = make_server(address.host, address.port, app, Listening, _Handler)
    return server


def _listen(address: Address) -> socket.socket:
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    family, _, _, _, where = found[0]
    return socket.create_server((str(where[0]), address.port), family=family)


def _guarded(app: WSGIApplication, credential: str) -> WSGIApplication:
    """Answer only who sends the credential."""
    wanted = f"Bearer {credential}".encode()

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        given = environ.get("HTTP_AUTHORIZATION", "").encode("utf-8", "replace")
        if hmac.compare_digest(given, wanted):
            return app(environ, start_response)
        start_response("401 Unauthorized", [("WWW-Authenticate", "Bearer")])
        return [b"metrics are for holders of the key\n"]

    return guarded
