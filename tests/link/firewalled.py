"""A district's network behind a firewall: network namespaces, and a router that drops the rest.

district ── router ── here. The router is a namespace as well. What it passes on is said by rules of
its routing; all else it drops in silence, as firewalls do. Making namespaces needs root.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

_TIMEOUT = 30.0  # seconds
_OUT, _BACK, _IN = "100", "110", "120"
"""The places of the rules: what leaves the district, what answers it, what is asked of it."""
_DROP = "200"


class CannotMakeNetworks(Exception):
    """This machine makes no network namespaces for this user; the text says why."""


@dataclass(frozen=True, slots=True)
class Firewall:
    """A district's network, its firewall, and the addresses on both sides."""

    inside: str
    """The address of the district."""
    outside: str
    """An address of this machine, which the district reaches through the firewall alone."""
    prefix: Sequence[str]
    """Runs a command in the district's network."""
    _router: str

    def open(self, port: int) -> None:
        """Let the district reach one TCP port outside."""
        self._rule("add", _OUT, "from", self.inside, "dport", port)
        self._rule("add", _BACK, "to", self.inside, "sport", port)

    def close(self, port: int) -> None:
        """Drop it again, also what belongs to connections that are open."""
        self._rule("del", _OUT, "from", self.inside, "dport", port)
        self._rule("del", _BACK, "to", self.inside, "sport", port)

    def serve(self, port: int) -> None:
        """Let a port of the district be called from here, as its own users call it."""
        self._rule("add", _IN, "to", self.inside, "dport", port)
        self._rule("add", _IN, "from", self.inside, "sport", port)

    def _rule(self, act: str, place: str, side: str, address: str, end: str, port: int) -> None:
        match = (side, address, "ipproto", "tcp", end, str(port))
        _ip("-n", self._router, "rule", act, "pref", place, *match, "lookup", "main")


@contextmanager
def firewalled() -> Iterator[Firewall]:
    """Make the networks while the block runs; CannotMakeNetworks where that is not allowed."""
    number = os.getpid() % 250
    district, router = f"sb-district-{os.getpid()}", f"sb-router-{os.getpid()}"
    net = f"10.213.{number}"
    with ExitStack() as stack:
        for name in (district, router):
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
            _ip("-n", name, "link", "set", "lo", "up")
        near, far, down, up = (f"sb{letter}{os.getpid()}" for letter in "nfdu")
        for one, other in ((near, far), (down, up)):
            _ip("link", "add", one, "type", "veth", "peer", "name", other)
        for device, name in ((far, router), (down, router), (up, district)):
            _ip("link", "set", "dev", device, "netns", name)
        for options, device, address in (
            ((), near, f"{net}.1/30"),
            (("-n", router), far, f"{net}.2/30"),
            (("-n", router), down, f"{net}.5/30"),
            (("-n", district), up, f"{net}.6/30"),
        ):
            _ip(*options, "address", "add", address, "dev", device)
            _ip(*options, "link", "set", "dev", device, "up")
        _ip("-n", district, "route", "add", "default", "via", f"{net}.5")
        _ip("route", "add", f"{net}.4/30", "via", f"{net}.2")
        prefix = ("ip", "netns", "exec", district)
        _run("ip", "netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        _ip("-n", router, "rule", "add", "pref", _DROP, "blackhole")
        yield Firewall(f"{net}.6", f"{net}.1", prefix, router)


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*command: str) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except FileNotFoundError:
        raise CannotMakeNetworks(f"{command[0]} is not there: install iproute2") from None
    if done.returncode:
        who = "" if os.geteuid() == 0 else " (it takes root)"
        raise CannotMakeNetworks(f"{' '.join(command)}: {done.stderr.strip()}{who}")
