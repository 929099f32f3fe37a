"""A host and port to listen on."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Self

_MOST_HOST, _MOST_LABEL = 255, 63
"""Characters of a host name and of its parts; printable ASCII, as the resolver wants them."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a TCP port; port 0 lets the kernel choose."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host:port` or `[ipv6]:port`; ValueError says what is wrong."""
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        bare = host[1:-1] if bracketed else host
        if not colon or not bare or (":" in bare) != bracketed:
            raise ValueError("must be host:port, such as 127.0.0.1:7443 or [::1]:7443")
        labels = [bare] if bracketed else bare.removesuffix(".").split(".")
        fits = all(0 < len(label) <= _MOST_LABEL for label in labels)
        if not (fits and len(bare) <= _MOST_HOST and all("!" <= each <= "~" for each in bare)):
            raise ValueError("must begin with a host name or address")
        if not (port.isascii() and port.isdecimal() and int(port) <= 65535):
            raise ValueError("must end in a port from 0 to 65535")
        return cls(bare, int(port))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine's own; names are not looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
