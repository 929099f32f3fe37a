"""The targets that gRPC takes: whether one can work at all, and whether it is this machine."""

from __future__ import annotations

import ipaddress
import re

_SCHEME = re.compile(r"(?:dns|ipv4|ipv6):(?://[^/]*/)?", re.IGNORECASE)
_LOCAL = ("unix:", "unix-abstract:")
_OTHER_SCHEMES = re.compile(r"(dns|ipv4|ipv6|unix|unix-abstract|vsock|xds):", re.ASCII)
_WEB_SCHEME = re.compile(r"(?:https?|grpcs?)://", re.IGNORECASE)
_HOST_AND_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:/\[\]@?#]+)):(\d{1,5})", re.ASCII)


class BadConnection(ValueError):
    """The target, the key or the authority can never work."""


def check_target(target: str) -> None:
    """Raise BadConnection for a target that names no host and port."""
    if scheme := _WEB_SCHEME.match(target):
        raise BadConnection(
            f"the target {target!r} must be host:port without {scheme[0]}, such as localhost:7443"
        )
    if not _OTHER_SCHEMES.match(target) and host_and_port(target) is None:
        raise BadConnection(
            f"the target {target!r} must be host:port, such as localhost:7443 or [::1]:7443"
        )


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
