"""Ports for programs that must know theirs beforehand."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_FIRST = 20_000
_TRIES = 1_000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_CHANCE = random.SystemRandom()  # a seed would give the same ports to programs side by side


class NoFreePort(Exception):
    """Every port that was tried is in use."""


def free_ports(count: int = 1) -> list[int]:
    """Return ports that nobody uses now.

    Not from where the system takes those of connections: one could have a program's port while
    that is between two of its lives.
    """
    found: list[int] = []
    for port in _CHANCE.sample(range(_FIRST, _first_ephemeral()), _TRIES):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise NoFreePort(f"there are no {count} free ports")


def _first_ephemeral() -> int:
    """Return where the ports begin that the system gives to connections."""
    try:
        first = int(_EPHEMERAL.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        first = 0
    return first if first >= _FIRST + _TRIES else 32_768
