"""The network address of a caller, as gRPC names it."""

from __future__ import annotations

from urllib.parse import unquote


def host_of(peer: str) -> str:
    """Return the address in a gRPC peer such as `ipv4:10.0.0.7:50123`, without its port.

    A peer without a network address, such as a Unix socket, is named as gRPC names it.
    """
    scheme, _, address = unquote(peer).partition(":")
    if scheme not in ("ipv4", "ipv6"):
        return peer
    return address.rpartition(":")[0].strip("[]")
