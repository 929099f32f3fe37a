"""What the operator says of the broker between districts and hubs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from schoolbell_server.config.topology import VIRTUAL_HOST, DistrictTopology
from schoolbell_server.security.credential_files import (
    Holds,
    read_authority,
    read_file,
    read_private_key,
)

PORTS = {"amqps": 5671, "amqp": 5672}
USER_PREFIX = "district."
"""What stands before the district's name in its user's."""


@unique
class LinkPayload(StrEnum):
    """What of a notification crosses the link."""

    PLAIN = "plain"
    """All of it, encrypted on the way by TLS alone: the broker could read it."""
    SEALED = "sealed"
    """All of it, for the hub's key: the broker sees ids and times."""
    GENERIC = "generic"
    """Generic texts only, without anybody's name or value, whatever a district's detail level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """A connection to the broker."""

    url: str
    """`amqps://USER@HOST[:5671][/VIRTUAL_HOST]`; the virtual host is `schoolbell` by itself."""
    password_file: Annotated[Path | None, Holds(read_file)] = None
    """A file whose only line is what `hub enroll` or `hub rotate` printed, `USER:PASSWORD`, or the
    password alone; read again at every connection."""
    certificate_file: Annotated[Path | None, Holds(read_authority)] = None
    """PEM, in place of a password, or besides it: the client's certificate."""
    key_file: Annotated[Path | None, Holds(read_private_key)] = None
    """PEM, not encrypted: the key of `certificate_file`."""
    ca_file: Annotated[Path | None, Holds(read_authority)] = None
    """The authority that the broker's certificate is checked against; None is the system's."""
    server_name: str = ""
    """The name that the broker's certificate is checked for, where it is not the URL's host."""
    plaintext: bool = False
    """No TLS (`amqp://`): to this machine, or to `plaintext_host`; never in production."""
    plaintext_host: str = ""
    """The one other host that plaintext may reach, by the name that the URL has."""

    @property
    def host(self) -> str:
        """Return the host of the URL."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Return the port of the URL."""
        parts = urlsplit(self.url)
        return parts.port or PORTS.get(parts.scheme, 0)

    @property
    def user(self) -> str:
        """Return the user of the URL."""
        return unquote(urlsplit(self.url).username or "")

    @property
    def virtual_host(self) -> str:
        """Return the virtual host of the URL."""
        return unquote(urlsplit(self.url).path.removeprefix("/")) or VIRTUAL_HOST


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkConfig(BrokerConfig):
    """A district's link to a hub."""

    payload: LinkPayload = LinkPayload.PLAIN
    hub_key: str = ""
    """The hub's public key, as `hub enroll` prints it; for `payload = "sealed"`."""

    @property
    def topology(self) -> DistrictTopology:
        """Return the names on the broker; the district is in the user's name."""
        return DistrictTopology(self.user.removeprefix(USER_PREFIX))
