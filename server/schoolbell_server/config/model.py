"""The shape of `schoolbell.toml`: every key, its type, default and limits.

A table of the file is a dataclass here and a key is a field; what the file may not say, the
types refuse. Rules that join several keys are in `rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum, unique
from pathlib import Path
from typing import Annotated

from schoolbell_server.address import Address
from schoolbell_server.config.broker import LinkConfig
from schoolbell_server.config.identity import IdentityConfig
from schoolbell_server.config.ranges import Range
from schoolbell_server.config.secret import Secret
from schoolbell_server.gateways.app_config import AppConfig
from schoolbell_server.observability.log import LogConfig
from schoolbell_server.security.tls import TlsConfig

MIB = 2**20


@unique
class ServerRole(StrEnum):
    """What a server of several on one database does."""

    BOTH = "both"
    API = "api"
    """It takes calls and sends nothing."""
    WORKER = "worker"
    """It sends and takes no calls, but for its health."""

    @property
    def answers(self) -> bool:
        """Whether it takes calls."""
        return self is not ServerRole.WORKER

    @property
    def sends(self) -> bool:
        """Whether it sends deliveries."""
        return self is not ServerRole.API


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Where it listens and where its data lives."""

    listen: Address = field(default_factory=lambda: Address("127.0.0.1", 7443))
    share_port: bool = False
    """Let other servers of this account on this machine listen on the same port."""
    role: ServerRole = ServerRole.BOTH
    data_dir: Path = Path("schoolbell-data")
    plaintext: bool = False
    """No TLS: loopback only, never in production."""
    tls: TlsConfig = TlsConfig()
    reflection: bool = True
    drain_grace: Annotated[timedelta, Range(timedelta(0), timedelta(minutes=10))] = timedelta(
        seconds=30
    )
    """How long calls in flight may take to finish once the server is told to stop."""
    metrics_listen: Address | None = None
    """Prometheus over HTTP; beyond loopback only with `metrics_key_file`. Unset is off."""
    metrics_key_file: Path | None = None
    """Its only line is the bearer token of scrapers; set, metrics are served over TLS, with the
    server's certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageConfig:
    """Which database."""

    url: Secret = field(default_factory=lambda: Secret(""))
    """`postgresql://…`; empty is SQLite in the data directory."""
    url_file: Path | None = None
    """A file whose only line is the URL, in place of `url`."""
    pool_size: Annotated[int, Range(4, 200)] = 12
    """The most connections of a server to PostgreSQL; SQLite has one writer and a few readers."""
    timeout: Annotated[timedelta, Range(timedelta(seconds=1), timedelta(minutes=10))] = timedelta(
        seconds=30
    )
    """How long PostgreSQL may take over a transaction before it counts as gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryConfig:
    """How deliveries are claimed, attempted and tried again."""

    attempt_budget: Annotated[int, Range(1, 50)] = 8
    attempt_timeout: Annotated[timedelta, Range(timedelta(seconds=1), timedelta(minutes=1))] = (
        timedelta(seconds=10)
    )
    in_flight: Annotated[int, Range(1, 10_000)] = 1_000
    """Pushes of one app at one provider at once."""
    batch_size: Annotated[int, Range(1, 5_000)] = 500
    """Deliveries claimed, and outcomes written, in one transaction."""
    claim_interval: Annotated[
        timedelta, Range(timedelta(milliseconds=5), timedelta(seconds=30))
    ] = timedelta(milliseconds=50)
    watch_interval: Annotated[timedelta, Range(timedelta(milliseconds=5), timedelta(seconds=5))] = (
        timedelta(milliseconds=25)
    )
    """How often readers of the status log look for more."""
    probe_interval: Annotated[timedelta, Range(timedelta(seconds=1), timedelta(hours=1))] = (
        timedelta(seconds=30)
    )
    """How often an idle provider link is tried."""
    lease: Annotated[timedelta, Range(timedelta(seconds=3), timedelta(minutes=5))] = timedelta(
        seconds=10
    )
    lease_renewal: Annotated[
        timedelta, Range(timedelta(milliseconds=500), timedelta(minutes=1))
    ] = timedelta(seconds=2)
    first_backoff: Annotated[
        timedelta, Range(timedelta(milliseconds=10), timedelta(minutes=10))
    ] = timedelta(seconds=1)
    longest_backoff: Annotated[timedelta, Range(timedelta(seconds=1), timedelta(hours=6))] = (
        timedelta(minutes=5)
    )
    longest_retry_after: Annotated[timedelta, Range(timedelta(seconds=1), timedelta(hours=6))] = (
        timedelta(minutes=30)
    )
    """The most of a provider's Retry-After that is honoured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesConfig:
    """How long a silent device is believed in."""

    stale_after: Annotated[timedelta, Range(timedelta(days=30), timedelta(days=3650))] = timedelta(
        days=270
    )
    """A device that was not seen for so long is retired; Google's own tokens end then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundConfig:
    """How the server reaches the providers where nothing leaves the network directly."""

    apns_proxy: Secret = field(default_factory=lambda: Secret(""))
    """`http://[user:password@]host:port` of a proxy with HTTP CONNECT; empty is none."""
    fcm_proxy: Secret = field(default_factory=lambda: Secret(""))
    """The same for Google, its token endpoint included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """How much is taken in."""

    backlog: Annotated[int, Range(1_000, 100_000_000)] = 5_000_000
    """Deliveries waiting; beyond it, publishing is refused with a time to come back."""
    message_bytes: Annotated[int, Range(64 * 1024, 16 * MIB)] = 4 * MIB
    concurrent_calls: Annotated[int, Range(1, 100_000)] = 2_000
    """Calls with a key open at once, streams among them."""
    reserved_calls: Annotated[int, Range(0, 100_000)] = 200
    """Of `concurrent_calls`, the last, which only operators and publishers may use."""
    key_calls: Annotated[int, Range(1, 100_000)] = 200
    """Calls of one key open at once."""
    key_reads: Annotated[int, Range(1, 100)] = 2
    """Lists, exports and explanations of one key that work at once; further ones wait."""
    reads: Annotated[int, Range(1, 100)] = 3
    """Lists, exports and explanations of all keys that work at once; further ones wait."""
    peer_calls: Annotated[int, Range(1, 100_000)] = 50
    """Calls without a key open at once from one address (IPv6: one /64 network)."""
    public_calls: Annotated[int, Range(1, 100_000)] = 400
    """Calls without a key open at once from all addresses."""
    bodies: Annotated[int, Range(1, 10_000)] = 16
    """Requests of one key, or of all calls without one, that are read at once; others wait."""
    health_streams: Annotated[int, Range(1, 100_000)] = 200
    """`Health/Watch` streams open at once."""
    reflection_streams: Annotated[int, Range(1, 10_000)] = 20
    """Reflection streams open at once."""
    unknown_keys: Annotated[int, Range(1, 10_000)] = 10
    """Keys that nothing vouches for which are looked up in storage, a second."""
    connections: Annotated[int, Range(16, 1_000_000)] = 10_000
    """Connections at once, and never more than leave the server files of its own."""
    connection_calls: Annotated[int, Range(1, 100_000)] = 256
    """Calls of one connection open at once; a client keeps further ones back."""
    connection_idle: Annotated[timedelta, Range(timedelta(seconds=1), timedelta(days=1))] = (
        timedelta(minutes=10)
    )
    """After so long without a call a connection is closed."""
    handshake_timeout: Annotated[
        timedelta, Range(timedelta(milliseconds=100), timedelta(minutes=2))
    ] = timedelta(seconds=10)
    """How long a new connection may take over TLS and HTTP/2."""
    request_timeout: Annotated[
        timedelta, Range(timedelta(milliseconds=100), timedelta(minutes=10))
    ] = timedelta(seconds=10)
    """How long the one request of a call may take to arrive."""
    import_records: Annotated[int, Range(1_000, 100_000_000)] = 5_000_000
    """Records of one roster import."""
    import_bytes: Annotated[int, Range(MIB, 64 * 1024 * MIB)] = 2_048 * MIB
    """Bytes of one roster import, all its parts together."""
    import_silence: Annotated[timedelta, Range(timedelta(seconds=1), timedelta(minutes=10))] = (
        timedelta(minutes=1)
    )
    """Between two parts of an import; after it, the import is abandoned and its records dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionConfig:
    """How the janitor works, and what it keeps that is no district's own choice."""

    interval: Annotated[timedelta, Range(timedelta(seconds=1), timedelta(days=1))] = timedelta(
        minutes=10
    )
    """Between two rounds."""
    batch_size: Annotated[int, Range(10, 10_000)] = 500
    """Rows dropped in one transaction."""
    status_log: Annotated[timedelta, Range(timedelta(hours=25), timedelta(days=90))] = timedelta(
        days=3
    )
    """How long a resume token is good, more than the 24 hours that are promised."""
    imports: Annotated[timedelta, Range(timedelta(days=1), timedelta(days=3653))] = timedelta(
        days=90
    )
    """How long an ended import is remembered, and its id answered as a repetition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditConfig:
    """Where the audit logs go besides the database."""

    export_file: Path | None = None
    """Every entry is added to it as it happens, one JSON object a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All of it."""

    server: ServerConfig = ServerConfig()
    storage: StorageConfig = StorageConfig()
    delivery: DeliveryConfig = DeliveryConfig()
    outbound: OutboundConfig = OutboundConfig()
    devices: DevicesConfig = DevicesConfig()
    limits: LimitsConfig = LimitsConfig()
    retention: RetentionConfig = RetentionConfig()
    audit: AuditConfig = AuditConfig()
    identity: IdentityConfig = IdentityConfig()
    log: LogConfig = LogConfig()
    apps: Mapping[str, AppConfig] = field(default_factory=dict)
    """By app_id."""
    link: LinkConfig | None = None
    """A hub that sends in place of this server, which then needs no accounts."""
