"""Where a client connects to, how it shows who it is, and how gRPC is set up for it."""

from __future__ import annotations

import codecs
import os
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from schoolbell.keys import check_key, read_key
from schoolbell.service_config import DEFAULT_DEADLINE, RETRIES
from schoolbell.targets import BadConnection, check_target, is_loopback
from schoolbell.tokens import TokenFile, check_token
from schoolbell.version import VERSION

DEFAULT_TARGET = "localhost:7443"
_MESSAGE_LIMIT = 16 * 1024 * 1024  # bytes
_USER_AGENT = f"schoolbell-python/{VERSION}"


_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
_PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )?PRIVATE KEY-----")
_CERTIFICATE = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )?CERTIFICATE-----")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The address of a service and the caller's credentials."""

    target: str = DEFAULT_TARGET
    key: str = ""
    """An API key, `sb_…`."""
    token_source: Callable[[], str] | None = None
    """In place of a key: gives the token of an identity provider that a call shows.

    It is asked before every call and must not wait: what takes time, such as a renewal, goes on
    beside the calls. `TokenFile` is one."""
    ca: bytes | None = None
    """PEM of the authority that signed the server's certificate; None is the system's."""
    client_certificate: tuple[bytes, bytes] | None = None
    """PEM of the caller's private key and certificate chain, for mutual TLS."""
    plaintext: bool = False
    """No encryption: only against a loopback server that says so itself."""
    deadline: float = DEFAULT_DEADLINE

    def __post_init__(self) -> None:
        """Refuse with BadConnection what gRPC would call UNAVAILABLE forever."""
        check_key(self.key, "the connection's key")
        if self.key and self.token_source is not None:
            raise BadConnection("a connection has a key or a token source, not both")
        check_target(self.target)
        if self.ca is not None:
            _check_certificates(self.ca, "the authority (CA file)")
        if self.client_certificate is not None:
            key, chain = self.client_certificate
            _check_certificates(chain, "the client's certificate")
            if not _PRIVATE_KEY.search(key) or b"ENCRYPTED" in key:
                raise BadConnection(
                    "the client's private key is not in PEM, or needs a password: it has to be "
                    "without one"
                )

    @classmethod
    def from_environment(
        cls, *, defaults: Mapping[str, Any] | None = None, **overrides: Any
    ) -> Connection:
        """Read SCHOOLBELL_TARGET, _KEY, _KEY_FILE or _TOKEN_FILE, and SCHOOLBELL_CA_FILE.

        `defaults` stand where neither the environment nor the overrides say anything.
        Raises `BadConnection` where the variable or the file holds no key or no certificate.
        """
        chosen: dict[str, Any] = dict(defaults or {})
        if target := os.environ.get("SCHOOLBELL_TARGET"):
            chosen["target"] = target
        if "key" in overrides or "token_source" in overrides:
            pass
        elif key := os.environ.get("SCHOOLBELL_KEY"):
            check_key(key, "SCHOOLBELL_KEY")
            chosen["key"] = key
        elif key_file := os.environ.get("SCHOOLBELL_KEY_FILE"):
            chosen["key"] = read_key(Path(key_file))
        elif token_file := os.environ.get("SCHOOLBELL_TOKEN_FILE"):
            chosen["token_source"] = TokenFile(Path(token_file))
        if "ca" not in overrides and (ca_file := os.environ.get("SCHOOLBELL_CA_FILE")):
            chosen["ca"] = read_authority(Path(ca_file))
        if "token_source" in (chosen | overrides):
            chosen.pop("key", None)  # a default's
        return cls(**(chosen | overrides))

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the headers of a call; `InvalidKeyError` where the source gives no token."""
        credential = self.key
        if self.token_source is not None:
            credential = self.token_source()
            check_token(credential, "the token source")
        return (("authorization", f"Bearer {credential}"),) if credential else ()

    def sync_channel(self) -> grpc.Channel:
        """Open a channel for blocking calls."""
        if self.plaintext:
            return grpc.insecure_channel(self.target, options=self._options())
        return grpc.secure_channel(self.target, self._credentials(), options=self._options())

    def aio_channel(self) -> grpc.aio.Channel:
        """Open a channel for a running event loop."""
        if self.plaintext:
            return grpc.aio.insecure_channel(self.target, options=self._options())
        return grpc.aio.secure_channel(self.target, self._credentials(), options=self._options())

    def _options(self) -> tuple[tuple[str, Any], ...]:
        """Return gRPC's options; a proxy of the environment cannot reach this very machine."""
        return (*_OPTIONS, ("grpc.enable_http_proxy", int(not is_loopback(self.target))))

    def _credentials(self) -> grpc.ChannelCredentials:
        key, chain = self.client_certificate or (None, None)
        return grpc.ssl_channel_credentials(self.ca, key, chain)


def is_proxied(target: str) -> bool:
    """Return whether gRPC reaches a target through a proxy of the environment."""
    return not is_loopback(target) and any(os.environ.get(name) for name in _PROXIES)


_MOST_AUTHORITY = 2**20
"""Bytes that are read of a CA file: a device has no end."""


def read_authority(path: Path) -> bytes:
    """Return the PEM that a CA file holds; raise `BadConnection` where it holds none."""
    try:
        with path.open("rb") as file:
            pem = file.read(_MOST_AUTHORITY)
    except OSError as error:
        text = f"the authority (CA file) {path} cannot be read: {error.strerror}"
        raise BadConnection(text) from None
    pem = pem.removeprefix(codecs.BOM_UTF8)
    _check_certificates(pem, f"the authority (CA file) {path}")
    return pem


def _check_certificates(pem: bytes, what: str) -> None:
    """Refuse what gRPC would fail every connection with, and call it UNAVAILABLE."""
    if not _CERTIFICATE.search(pem):
        raise BadConnection(f"{what} holds no certificate in PEM")
    try:
        # What stands around certificates is left out: it may be in any language.
        trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        plain = pem.replace(b" TRUSTED CERTIFICATE", b" CERTIFICATE")  # gRPC reads both
        trusted.load_verify_locations(cadata=plain.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError):
        raise BadConnection(f"{what} holds a certificate that is damaged") from None


_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.service_config", RETRIES),
    ("grpc.max_receive_message_length", _MESSAGE_LIMIT),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.ping_timeout_ms", 10_000),  # 60 s by default, whatever the keepalive timeout is
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.primary_user_agent", _USER_AGENT),
)
