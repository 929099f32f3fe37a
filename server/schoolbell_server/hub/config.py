"""The shape of a hub's configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from schoolbell_server.address import Address
from schoolbell_server.config import StorageConfig
from schoolbell_server.config.broker import BrokerConfig
from schoolbell_server.config.ranges import Range
from schoolbell_server.gateways.app_config import AppConfig
from schoolbell_server.observability.log import LogConfig
from schoolbell_server.security.tls import TlsConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class HubServerConfig:
    """Where a hub answers of its health, where its data lives, and how much it does at once."""

    listen: Address = field(default_factory=lambda: Address("127.0.0.1", 7444))
    """Health over gRPC; nothing else is answered."""
    plaintext: bool = False
    """No TLS: loopback only, never in production."""
    tls: TlsConfig = TlsConfig()
    data_dir: Path = Path("schoolbell-hub")
    metrics_listen: Address | None = None
    """Prometheus over HTTP, loopback only; unset is off."""
    drain_grace: Annotated[timedelta, Range(timedelta(0), timedelta(minutes=10))] = timedelta(
        seconds=30
    )
    """How long messages in work may take to finish once the hub is told to stop."""
    messages: Annotated[int, Range(1, 1_000)] = 20
    """Messages in work at once, of up to 100 deliveries each."""
    prefetch: Annotated[int, Range(1, 100)] = 2
    """Messages of a lane of a district that the hub holds."""
    in_flight: Annotated[int, Range(100, 100_000)] = 2_000
    """Pushes of one app at one provider at once; at least 100 times `messages`."""
    attempt_timeout: Annotated[timedelta, Range(timedelta(seconds=1), timedelta(minutes=1))] = (
        timedelta(seconds=10)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    """All of it."""

    broker: BrokerConfig
    hub: HubServerConfig = HubServerConfig()
    storage: StorageConfig = StorageConfig()
    """The ledger: SQLite in the data directory, or one PostgreSQL for several hubs."""
    log: LogConfig = LogConfig()
    apps: Mapping[str, AppConfig] = field(default_factory=dict)
    """By app_id: the accounts that the hub sends by."""
