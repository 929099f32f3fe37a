"""Where a client connects to, how it shows who it is, and how gRPC is set up for it."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from schoolbell.v1 import (
    access_service_pb2,
    change_service_pb2,
    device_service_pb2,
    district_service_pb2,
    roster_service_pb2,
    settings_service_pb2,
    status_service_pb2,
    subscription_service_pb2,
)

DEFAULT_TARGET = "localhost:7443"
DEFAULT_DEADLINE = 15.0  # seconds, of a unary call that names none
_MESSAGE_LIMIT = 16 * 1024 * 1024  # bytes
_USER_AGENT = "schoolbell-python"

_FILES = (
    access_service_pb2,
    change_service_pb2,
    device_service_pb2,
    district_service_pb2,
    roster_service_pb2,
    settings_service_pb2,
    status_service_pb2,
    subscription_service_pb2,
)
_RETRY_POLICY = {
    "maxAttempts": 5,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


_KEY = re.compile(r"[!-~]+", re.ASCII)
_CERTIFICATE = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )?CERTIFICATE-----")
_OTHER_SCHEMES = re.compile(r"(dns|ipv4|ipv6|unix|unix-abstract|vsock|xds):", re.ASCII)
_HOST_AND_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:/\[\]@?#]+)):(\d{1,5})", re.ASCII)


class BadConnection(ValueError):
    """The target, the key or the authority can never work."""


def host_and_port(target: str) -> tuple[str, int] | None:
    """Return what a target of the form `host:port` names; None if it has another form."""
    if _OTHER_SCHEMES.match(target):
        rest = target.removeprefix("dns:").lstrip("/")
        if not target.startswith("dns:") or "/" in rest:
            return None
        target = rest
    found = _HOST_AND_PORT.fullmatch(target)
    if found is None or not 1 <= int(found[3]) <= 65535:
        return None
    return found[1] or found[2], int(found[3])


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The address of a service and the caller's credentials."""

    target: str = DEFAULT_TARGET
    key: str = ""
    """An API key, `sb_…`."""
    ca: bytes | None = None
    """PEM of the authority that signed the server's certificate; None is the system's."""
    client_certificate: tuple[bytes, bytes] | None = None
    """PEM of the caller's private key and certificate chain, for mutual TLS."""
    plaintext: bool = False
    """No encryption: only against a loopback server that says so itself."""
    deadline: float = DEFAULT_DEADLINE

    def __post_init__(self) -> None:
        """Refuse with BadConnection what gRPC would call UNAVAILABLE for ever."""
        if self.key and not _KEY.fullmatch(self.key):
            raise BadConnection(
                "the API key must be one line of printable ASCII without spaces; look for a "
                "second line or a carriage return in its file"
            )
        if not _OTHER_SCHEMES.match(self.target) and host_and_port(self.target) is None:
            raise BadConnection(
                f"the target {self.target!r} must be host:port, such as {DEFAULT_TARGET} or "
                "[::1]:7443"
            )
        if self.ca is not None and not _CERTIFICATE.search(self.ca):
            raise BadConnection("the authority (CA file) holds no certificate in PEM")

    @classmethod
    def from_environment(cls, **overrides: Any) -> Connection:
        """Read SCHOOLBELL_TARGET, SCHOOLBELL_KEY or _KEY_FILE, and SCHOOLBELL_CA_FILE."""
        chosen: dict[str, Any] = {}
        if target := os.environ.get("SCHOOLBELL_TARGET"):
            chosen["target"] = target
        if key := os.environ.get("SCHOOLBELL_KEY"):
            chosen["key"] = key
        elif key_file := os.environ.get("SCHOOLBELL_KEY_FILE"):
            chosen["key"] = read_key(Path(key_file))
        if ca_file := os.environ.get("SCHOOLBELL_CA_FILE"):
            chosen["ca"] = Path(ca_file).read_bytes()
        return cls(**(chosen | overrides))

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the headers of every call."""
        return (("authorization", f"Bearer {self.key}"),) if self.key else ()

    def sync_channel(self) -> grpc.Channel:
        """Open a channel for blocking calls."""
        if self.plaintext:
            return grpc.insecure_channel(self.target, options=_OPTIONS)
        return grpc.secure_channel(self.target, self._credentials(), options=_OPTIONS)

    def aio_channel(self) -> grpc.aio.Channel:
        """Open a channel for a running event loop."""
        if self.plaintext:
            return grpc.aio.insecure_channel(self.target, options=_OPTIONS)
        return grpc.aio.secure_channel(self.target, self._credentials(), options=_OPTIONS)

    def _credentials(self) -> grpc.ChannelCredentials:
        key, chain = self.client_certificate or (None, None)
        return grpc.ssl_channel_credentials(self.ca, key, chain)


def read_key(path: Path) -> str:
    """Return the API key that a file holds."""
    return path.read_text(encoding="utf-8").strip()


def _services() -> list[ServiceDescriptor]:
    return [service for file in _FILES for service in file.DESCRIPTOR.services_by_name.values()]


def _is_safe(method: MethodDescriptor) -> bool:
    """Tell whether a call may be repeated, as the contract says of each unary method."""
    level = method.GetOptions().idempotency_level
    return level in (MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT)


def _service_config() -> str:
    names = [
        {"service": service.full_name, "method": method.name}
        for service in _services()
        for method in service.methods
        if _is_safe(method)
    ]
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": _RETRY_POLICY}]})


_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.service_config", _service_config()),
    ("grpc.max_receive_message_length", _MESSAGE_LIMIT),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.primary_user_agent", _USER_AGENT),
)
