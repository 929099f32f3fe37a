"""What a gateway is asked to send, and what it answers.

A gateway never raises for a push: every push of a batch gets exactly one `PushResult`, within its
deadline. Retries belong to the queue; the one exception is a request that was refused for an
outdated provider or access token, which is renewed once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from schoolbell_server.domain.kinds import DetailLevel, Kind, Outcome, ProviderEnvironment
from schoolbell_server.gateways.common.circuits import CircuitView
from schoolbell_server.gateways.common.trouble import LinkTrouble

Report = Callable[[str, str], None]
"""Takes a setting of the app that names a credential file, and what is wrong with the file that
was put in its place; '' says that nothing is."""


def unreported(setting: str, problem: str) -> None:
    """Report to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One attempt to reach one device."""

    delivery_id: str
    """A UUID, the same at every attempt: APNs' `apns-id`, and in every payload."""
    attempt: int = 1
    """The attempt's number, from 1; made again under the same number only where no outcome of it
    was written."""
    app_id: str
    notification_id: str = ""
    """What the person is told, the same on all devices; '' for a test notification."""
    address: str
    """The device token (or, on Android, an FCM registration token)."""
    address_hash: str = ""
    """What names the address where its outcome is written."""
    fid: bool = False
    """The address is a Firebase installation id, not a token."""
    environment: ProviderEnvironment = ProviderEnvironment.PRODUCTION
    kind: Kind | None = None
    """None for a test notification."""
    title: str = ""
    body: str = ""
    detail_level: DetailLevel | None = None
    """How much title and body say; None where a district's older server did not tell its hub."""
    collapse_key: str = ""
    expire_time: dt.datetime | None = None
    """Never shown after it; aware UTC. Sent on as the provider's expiry, recomputed per attempt."""
    judge_time: dt.datetime | None = None
    """From when the facts are by which it may leave; None for a test notification."""
    registration_ref: str = ""
    """Opaque to us: tells the app which district to ask."""
    time_sensitive: bool = False
    data: dict[str, str] = field(default_factory=dict)
    """Further keys for the app; the delivery id and kind are added by the gateway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushResult:
    """What became of one attempt."""

    delivery_id: str
    outcome: Outcome
    provider_reason: str = ""
    """The provider's own word, or the transport's fault; never a token or a text."""
    provider_message_id: str = ""
    token_dead_since: dt.datetime | None = None
    """The provider's own timestamp of a dead token, where it gave one."""
    retry_after: dt.timedelta | None = None
    """The provider's wish, capped."""
    held: bool = False
    """An open circuit kept it: there was no attempt. The outcome is why the circuit is open,
    `retry_after` how long it must not come again."""
    trial: bool = False
    """An open circuit let it through, to see whether the trouble is over."""
    doubtful: bool = False
    """Held here, and a hub may have it all the same: nobody said that it has not."""
    passed_on: bool = False
    """A hub has it: its outcome comes later, and is written then. The attempt is open until then,
    and nothing else of the result counts."""
    seconds: float | None = None
    """From the request to its answer or its end; None where none left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayHealth:
    """What a gateway knows of its link to the provider, also when idle."""

    connected: bool
    reason: str = ""
    """Why not, or why only just."""
    trouble: LinkTrouble | None = None
    """The same, sorted; None where nothing is wrong."""
    circuit_open: bool = False
    """Credentials were refused or the provider is down: nothing but a trial now and then is sent
    until one, or a probe, succeeds."""
    credentials_refused: bool = False
    tokens_spared: bool = False
    """Every device token was refused of late: that is a fault of the configuration, so no token is
    retired over it."""


class Gateway(Protocol):
    """One app's way to one provider; several environments may hide behind it."""

    async def send(self, batch: Sequence[Push]) -> Sequence[PushResult]:
        """Send every push once and answer one result each, in the batch's order."""

    async def probe(self) -> GatewayHealth:
        """Ask the provider whether it would take a push, without sending one."""

    @property
    def environment(self) -> ProviderEnvironment:
        """Return the provider's environment that is probed."""

    @property
    def circuit(self) -> CircuitView:
        """Return whether pushes leave at present, and if not, why and for how long."""

    @property
    def in_flight(self) -> int:
        """Return how many pushes are on their way to the provider."""

    async def close(self) -> None:
        """Close the connections; pushes in flight are answered first."""
