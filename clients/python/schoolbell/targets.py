"""The targets that gRPC takes: whether one is this machine."""

from __future__ import annotations

import ipaddress
import re

_SCHEME = re.compile(r"(?:dns|ipv4|ipv6):(?://[^/]*/)?", re.IGNORECASE)
_LOCAL = ("unix:", "unix-abstract:")


def is_loopback(target: str) -> bool:
    """Return whether a target is this machine alone; other names are not looked up."""
    if target.lower().startswith(_LOCAL):
        return True
    addresses = _SCHEME.sub("", target, count=1).split(",")
    return all(_is_local(_host(address)) for address in addresses)


def _host(address: str) -> str:
    """Return the host of `host`, `host:port`, `[ipv6]:port` or a bare IPv6 address."""
    address = address.replace("%5B", "[").replace("%5D", "]")
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address if address.count(":") > 1 else address.partition(":")[0]


def _is_local(host: str) -> bool:
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        found = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
