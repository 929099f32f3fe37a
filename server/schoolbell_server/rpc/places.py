"""How many calls may be open at once: of a key, of an address, of a service, and in all.

A call takes a place under each limit that it counts against and gives all of them back when it
ends. Calls that need no key have limits of their own: they can neither fill the limit of those that
show one, nor be refused by it.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import unquote

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.config import LimitsConfig
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.rpc.error_table import COME_BACK
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.security.api_key import Role

PRIVILEGED = frozenset({Role.OPERATOR, Role.PUBLISHER})
"""Who may use the reserve: what makes the service useful, and who repairs it."""
_NETWORK = 64  # bits of an IPv6 address that name a network: one caller has all of the rest


@dataclass(slots=True)
class Held:
    """The places of one call."""

    places: list[tuple[str, str]] = field(default_factory=list)


class Places:
    """Counts open calls under every limit."""

    def __init__(self, limits: LimitsConfig, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics
        self.open: Counter[tuple[str, str]] = Counter()
        """Open calls by limit and by the key or address that it is a limit of."""

    def take_public(self, held: Held, method: str, address: str, *, stream: bool) -> None:
        """Take the places of a call without a key; SchoolbellError if there is none."""
        self._take(held, "peer_calls", address)
        self._take(held, "public_calls")
        if stream:
            kind = "health_streams" if ".health." in method else "reflection_streams"
            self._take(held, kind)

    def take_key(self, held: Held, key_id: str) -> None:
        """Take a place among the calls that show a key id, before the key itself is looked up."""
        self._take(held, "key_calls", key_id)

    def take_role(self, held: Held, role: Role) -> None:
        """Take a place among all calls with a key; the last are for `PRIVILEGED` roles."""
        reserve = 0 if role in PRIVILEGED else self._limits.reserved_calls
        self._take(held, "concurrent_calls", reserve=reserve)

    def give_back(self, held: Held) -> None:
        """Give back all places of a call that ended."""
        for place in held.places:
            self.open[place] -= 1
            if not self.open[place]:
                del self.open[place]  # keys and addresses are without end
        held.places.clear()

    def _take(self, held: Held, limit: str, name: str = "", reserve: int = 0) -> None:
        place = (limit, name)
        most: int = getattr(self._limits, limit) - reserve
        if self.open[place] >= most:
            self._metrics.calls_refused.labels(limit).inc()
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_TOO_MANY_CALLS,
                f"{most} calls are open already (limits.{limit})",
                metadata={"limit": f"limits.{limit}"},
                retry_after=COME_BACK,
            )
        self.open[place] += 1
        held.places.append(place)


def address_of(peer: str) -> str:
    """Return who is behind gRPC's name of a peer: an IPv4 address, or an IPv6 network."""
    scheme, _, rest = unquote(peer).partition(":")
    if scheme not in ("ipv4", "ipv6"):
        return scheme
    host = rest.rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _NETWORK), strict=False))
