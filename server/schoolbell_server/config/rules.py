"""Rules that join several keys, and the warnings that follow from what is set."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, unique
from urllib.parse import urlsplit

from schoolbell_server.address import is_loopback
from schoolbell_server.config.database_url import database_url
from schoolbell_server.config.issuer_rules import issuer_problems
from schoolbell_server.config.link_rules import app_problems, link_problems
from schoolbell_server.config.model import Config, ServerRole, StorageConfig
from schoolbell_server.config.problems import ConfigError

_NAME = re.compile(r"[A-Za-z0-9*._:-]{1,253}")
"""A host name, in which a star may stand for a part, or an IP address."""


@unique
class WarningCode(IntEnum):
    """The contract's warnings that a configuration alone decides."""

    PLAINTEXT = 1
    REPLAY = 2
    SANDBOX = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigWarning:
    """Something that everybody who looks at the service's status must see."""

    code: WarningCode
    text: str
    app_id: str = ""
    """The app that it concerns; empty is the whole server."""


def warnings(config: Config, *, replay: bool = False) -> tuple[ConfigWarning, ...]:
    """Return what must be shown wherever status is shown."""
    found = []
    if config.server.plaintext or (config.link is not None and config.link.plaintext):
        found.append(
            ConfigWarning(
                code=WarningCode.PLAINTEXT,
                text="Push communication is not encrypted. Not for production: contact a system "
                "administrator to enable encryption.",
            )
        )
    if replay:
        found.append(
            ConfigWarning(
                code=WarningCode.REPLAY,
                text="The server replays recorded changes: times are taken from them and nothing "
                "is too late.",
            )
        )
    to_sandbox = dict.fromkeys(app_id for app_id, _, value in _endpoints(config) if value)
    found.extend(
        ConfigWarning(
            code=WarningCode.SANDBOX,
            text=f"Pushes of the app {app_id} go to a sandbox and reach no phone.",
            app_id=app_id,
        )
        for app_id in to_sandbox
    )
    return tuple(found)


def check_replay(config: Config) -> None:
    """Refuse a replay whose pushes could reach a real phone; ConfigError names the app."""
    if problems := replay_problems(config):
        raise ConfigError(problems)


def replay_problems(config: Config) -> list[str]:
    """Return what keeps a configuration from a replay."""
    if config.link is not None:
        return ["link: --replay needs a sandbox on this machine, and whom a hub reaches is unknown"]
    return [
        f"apps.{app_id}.{key}: --replay needs a sandbox on this machine, not "
        f"{value or 'the provider itself'}"
        for app_id, key, value in _endpoints(config)
        if not is_loopback(_host(value))
    ]


def broken_rules(config: Config) -> list[str]:
    """Return what is wrong between keys that are each right alone."""
    return [
        *_listening(config),
        *_several(config),
        *_certificates(config),
        *storage_problems(config.storage),
        *_delivery(config),
        *_limits(config),
        *_outbound(config),
        *issuer_problems(config.identity),
        *(() if config.link is None else link_problems(config.link)),
        *app_problems(config.apps, config.link),
    ]


def _listening(config: Config) -> Iterator[str]:
    server = config.server
    if server.plaintext and not server.listen.is_loopback:
        yield f"server.listen: {server.listen} is beyond this machine, which plaintext may not be"
    metrics = server.metrics_listen
    if metrics and not metrics.is_loopback and server.metrics_key_file is None:
        yield (
            f"server.metrics_listen: {metrics} is beyond this machine, which needs "
            "server.metrics_key_file"
        )
    if server.metrics_key_file and server.plaintext:
        yield "server.metrics_key_file: is sent over TLS only, and server.plaintext is set"
    if server.metrics_key_file and not metrics:
        yield "server.metrics_key_file: server.metrics_listen is not set"


def _several(config: Config) -> Iterator[str]:
    """Yield what only servers that share a database may say."""
    server = config.server
    if not config.storage.url:
        if server.share_port:
            yield "server.share_port: SQLite has one server; several need storage.url"
        if server.role is not ServerRole.BOTH:
            yield f"server.role: {server.role} needs another server beside it, and storage.url"
    if server.share_port and not server.role.answers:
        yield "server.share_port: a worker takes no calls and needs a port of its own"
    if server.share_port and server.listen.port == 0:
        yield "server.share_port: server.listen must name the port"


def _certificates(config: Config) -> Iterator[str]:
    tls = config.server.tls
    if (tls.certificate_file is None) != (tls.key_file is None):
        yield "server.tls: certificate_file and key_file are set together or not at all"
    if config.server.plaintext and (tls.certificate_file or tls.client_ca_file):
        yield "server.plaintext: certificates are set, so TLS is meant; remove one of the two"
    for name in tls.names:
        if not _NAME.fullmatch(name):
            yield f"server.tls.names: must be host names or addresses in ASCII, not {name!r}"
    for key in ("certificate_file", "key_file", "client_ca_file"):
        path = getattr(tls, key)
        if path is not None and not path.is_file():
            yield f"server.tls.{key}: no such file, {str(path)!r}"


def storage_problems(storage: StorageConfig) -> Iterator[str]:
    """Yield what is wrong with the URL of a database."""
    if storage.url:
        try:
            database_url(storage.url.reveal())
        except ValueError as error:
            yield f"storage.url: {error}"


def _delivery(config: Config) -> Iterator[str]:
    delivery = config.delivery
    if delivery.lease_renewal * 3 > delivery.lease:
        yield "delivery.lease_renewal: must be at most a third of delivery.lease"
    if delivery.first_backoff > delivery.longest_backoff:
        yield "delivery.first_backoff: must be at most delivery.longest_backoff"


def _limits(config: Config) -> Iterator[str]:
    limits = config.limits
    if limits.reserved_calls >= limits.concurrent_calls:
        yield "limits.reserved_calls: must be less than limits.concurrent_calls"
    if limits.peer_calls > limits.public_calls:
        yield "limits.peer_calls: must be at most limits.public_calls"
    if limits.key_reads > limits.reads:
        yield "limits.key_reads: must be at most limits.reads"


def _outbound(config: Config) -> Iterator[str]:
    for key in ("apns_proxy", "fcm_proxy"):
        proxy = getattr(config.outbound, key).reveal()
        if proxy and not _is_proxy(proxy):
            yield f"outbound.{key}: must be http://host:port or http://user:password@host:port"


def _is_proxy(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname and url.port)
    except ValueError:
        return False


def _endpoints(config: Config) -> Iterator[tuple[str, str, str]]:
    for app_id, app in config.apps.items():
        if app.ios:
            yield app_id, "ios.server", app.ios.server
        if app.android:
            yield app_id, "android.endpoint", app.android.endpoint


def _host(endpoint: str) -> str:
    """Return the host of a URL or of `host:port`; '' if there is none."""
    try:
        return urlsplit(endpoint if "://" in endpoint else f"//{endpoint}").hostname or ""
    except ValueError:
        return ""
