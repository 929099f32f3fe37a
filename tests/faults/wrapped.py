"""A real gateway with something of its own around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schoolbell_server.domain.kinds import ProviderEnvironment
from schoolbell_server.gateways.common.circuits import CircuitView
from schoolbell_server.gateways.common.push import Gateway, GatewayHealth, Push, PushResult


@dataclass
class Wrapped:
    """Hands everything to a real gateway; who derives from it spoils one thing."""

    gateway: Gateway

    async def send(self, batch: Sequence[Push]) -> Sequence[PushResult]:
        return await self.gateway.send(batch)

    async def probe(self) -> GatewayHealth:
        return await self.gateway.probe()

    @property
    def environment(self) -> ProviderEnvironment:
        return self.gateway.environment

    @property
    def circuit(self) -> CircuitView:
        return self.gateway.circuit

    @property
    def in_flight(self) -> int:
        return self.gateway.in_flight

    async def close(self) -> None:
        await self.gateway.close()
