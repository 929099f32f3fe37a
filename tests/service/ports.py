"""Ports for servers that must know theirs beforehand."""

from __future__ import annotations

from schoolbell_server.demo.ports import free_ports


def free_port() -> int:
    """Return a port that nobody uses now; it stays the same after every start of a server."""
    return free_ports()[0]
