"""What the gateways of all providers have alike: the whole way of a batch but the requests."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from schoolbell_server.domain.kinds import Outcome, ProviderEnvironment
from schoolbell_server.gateways.common.attempts import Attempts, Outgoing
from schoolbell_server.gateways.common.circuits import Circuits, CircuitView
from schoolbell_server.gateways.common.push import GatewayHealth, Push, PushResult, Report
from schoolbell_server.gateways.common.transport import Answer, NoAnswer


class ProviderGateway(ABC):
    """A `Gateway` of one app; a provider's own says what its requests are and its answers mean."""

    def __init__(
        self,
        *,
        in_flight: int,
        deadline: dt.timedelta,
        circuits: Circuits,
        clock: Callable[[], dt.datetime],
        report: Report,
    ) -> None:
        """`in_flight` bounds the pushes under way, `deadline` what each may take."""
        self._report = report
        self._clock = clock
        self._deadline = deadline.total_seconds()
        self._attempts = Attempts(
            self._attempt,
            self,
            in_flight=in_flight,
            deadline=deadline,
            circuits=circuits,
            clock=clock,
        )

    async def send(self, batch: Sequence[Push]) -> Sequence[PushResult]:
        """Send every push once and answer one result each, in the batch's order."""
        self._look()
        return await self._attempts.send(batch)

    async def probe(self) -> GatewayHealth:
        """Ask the provider whether it would take a push, in the app's own environment."""
        self._look()
        return await self._attempts.probe(self.environment, self._probe)

    @property
    def environment(self) -> ProviderEnvironment:
        """Return the environment that is probed; a provider without any has this one."""
        return ProviderEnvironment.PRODUCTION

    @property
    def circuit(self) -> CircuitView:
        """Return whether pushes leave at present, and if not, why and for how long."""
        return self._attempts.circuits.view()

    @property
    def in_flight(self) -> int:
        """Return how many pushes are on their way."""
        return self._attempts.in_flight

    async def close(self) -> None:
        """Close the connections once everything under way is answered."""
        await self._attempts.drain()
        await self._close()

    @abstractmethod
    def _look(self) -> None:
        """Take replaced files, and report those that cannot be used: once a batch."""

    @abstractmethod
    async def _probe(self) -> tuple[Outcome, str]:
        """Make a request that is refused only after all that a push needs was found good.

        Nothing can be shown anywhere. Return what became of it, and the provider's word.
        """

    @abstractmethod
    async def _close(self) -> None:
        """Close the connections."""

    @abstractmethod
    async def _attempt(self, push: Push, left: float) -> PushResult:
        """Attempt one push by itself, within so many seconds."""

    @abstractmethod
    def prepare(self, batch: Sequence[Push]) -> Sequence[Outgoing | None]:
        """Return each push ready to leave; None for one that is to be attempted by itself."""

    @abstractmethod
    async def conclude(
        self, push: Push, sent: Outgoing, answer: Answer | NoAnswer, begin: float, end: float
    ) -> PushResult:
        """Return what an answer means for a push that left at a time by its circuit's clock."""
