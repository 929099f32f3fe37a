"""The circuits of one gateway: one for each environment, where environments fail by themselves."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from schoolbell_server.domain.kinds import Outcome, ProviderEnvironment
from schoolbell_server.gateways.common.circuit import Circuit, CircuitState

_THROTTLED, _LONGEST_THROTTLED = dt.timedelta(minutes=1), dt.timedelta(minutes=30)
"""How long a provider's wish for fewer pushes is shown: as long as it says, within these."""
_WORST = (CircuitState.OPEN, CircuitState.HALF_OPEN)


@dataclass(frozen=True, slots=True)
class CircuitView:
    """How the circuits of a gateway stand."""

    state: CircuitState = CircuitState.CLOSED
    """Of the worst."""
    reason: str = ""
    """Why it is not closed."""
    credentials_refused: bool = False
    """That is why."""
    hold: dt.timedelta | None = None
    """How long nothing at all may leave, 0 where one push may try; None while something may."""
    throttled: str = ""
    """The provider's word where it has asked of late for fewer pushes of all; '' where not."""


class Circuits:
    """Finds the circuit of a push. Environments that nobody uses do not count."""

    def __init__(
        self,
        circuits: Mapping[ProviderEnvironment, Circuit],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Environments may share a circuit."""
        self._circuits = circuits
        self._clock = clock
        self._throttled = ""
        self._throttled_until = 0.0

    def of(self, environment: ProviderEnvironment) -> Circuit:
        """Return the circuit of an environment."""
        return self._circuits[environment]

    def throttle(
        self,
        reason: str,
        retry_after: dt.timedelta | None = None,
        *,
        age: dt.timedelta = dt.timedelta(0),
    ) -> None:
        """Take note that the provider asked for fewer pushes, a while ago."""
        wish = min(max(retry_after or _THROTTLED, _THROTTLED), _LONGEST_THROTTLED)
        until = self._clock() + (wish - age).total_seconds()
        if until >= self._throttled_until:
            self._throttled, self._throttled_until = reason, until

    def patience(self, circuit: Circuit) -> dt.timedelta:
        """Return how long a push that an open circuit keeps must not come again.

        Where nothing else leaves, the sender waits for the circuit itself: it may close any time.
        """
        return circuit.wait if len(self._used()) > 1 else dt.timedelta(0)

    def view(self) -> CircuitView:
        """Return how they stand now."""
        view = self._circuit_view()
        if self._clock() < self._throttled_until:
            return replace(view, throttled=self._throttled)
        return view

    def _circuit_view(self) -> CircuitView:
        troubled = [circuit for circuit in self._used() if circuit.is_open]
        if not troubled:
            return CircuitView()
        worst = min(troubled, key=lambda circuit: _WORST.index(circuit.state))
        stuck = len(troubled) == len(self._used())
        hold = min(circuit.wait for circuit in troubled) if stuck else None
        refused = worst.cause is Outcome.CREDENTIAL_BAD
        return CircuitView(worst.state, worst.reason, refused, hold)

    def _used(self) -> set[Circuit]:
        return {circuit for circuit in self._circuits.values() if circuit.used}


def circuits_by_environment() -> Circuits:
    """Return a circuit for each environment."""
    return Circuits({environment: Circuit() for environment in ProviderEnvironment})


def one_circuit() -> Circuits:
    """Return one circuit for whatever environment."""
    return Circuits(dict.fromkeys(ProviderEnvironment, Circuit()))
