"""Rules of the settings that name a broker, and of which apps a hub sends for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from schoolbell_server.address import is_loopback
from schoolbell_server.config.broker import (
    PORTS,
    USER_PREFIX,
    BrokerConfig,
    LinkConfig,
    LinkPayload,
)
from schoolbell_server.gateways.app_config import AppConfig
from schoolbell_server.security.sealing import SealKeyUnusable, read_public_key


def broker_problems(table: str, broker: BrokerConfig) -> Iterator[str]:
    """Yield what is wrong between the settings of a broker."""
    try:
        parts = urlsplit(broker.url)
        usable = bool(parts.hostname) and bool(broker.user) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.scheme not in PORTS or parts.password or parts.query or parts.fragment:
        yield f"{table}.url: must be amqps://user@host:5671, and the password in password_file"
        return
    if (parts.scheme == "amqp") != broker.plaintext:
        yield f"{table}.plaintext: is true with amqp:// and false with amqps://"
    elif broker.plaintext and not _may_be_plain(broker):
        yield f"{table}.url: {broker.host} is beyond this machine; plaintext needs plaintext_host"
    yield from _credential_problems(table, broker)


def _may_be_plain(broker: BrokerConfig) -> bool:
    named = broker.plaintext_host.lower()
    return is_loopback(broker.host) or (bool(named) and broker.host == named)


def _credential_problems(table: str, broker: BrokerConfig) -> Iterator[str]:
    if (broker.certificate_file is None) != (broker.key_file is None):
        yield f"{table}: certificate_file and key_file are set together or not at all"
    if broker.password_file is None and broker.certificate_file is None:
        yield f"{table}: either password_file or certificate_file is required"
    if broker.plaintext and (broker.certificate_file or broker.ca_file):
        yield f"{table}.plaintext: certificates are set, so TLS is meant; remove one of the two"


def link_problems(link: LinkConfig) -> Iterator[str]:
    """Yield what is wrong between the settings of a link."""
    yield from broker_problems("link", link)
    try:
        if not link.user.startswith(USER_PREFIX):
            raise ValueError
        _ = link.topology
    except ValueError:
        yield "link.url: the user must be district.NAME, as `hub enroll` printed it"
    if (link.payload is LinkPayload.SEALED) != bool(link.hub_key):
        yield 'link.hub_key: is required with payload = "sealed", and only then'
    elif link.hub_key:
        try:
            read_public_key(link.hub_key)
        except SealKeyUnusable as error:
            yield f"link.hub_key: {error}"


def app_problems(apps: Mapping[str, AppConfig], link: LinkConfig | None) -> Iterator[str]:
    """Yield what apps say of accounts that a hub holds, or of platforms that it does not."""
    for app_id, app in apps.items():
        if link is None and app.platforms:
            yield f"apps.{app_id}.platforms: says what a hub sends for, and there is no [link]"
        if link is not None and (app.ios or app.android):
            yield f"apps.{app_id}: the hub of [link] holds the accounts; set platforms instead"
