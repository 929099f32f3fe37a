"""The circuits of one gateway: one for each environment, where environments fail by themselves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from schoolbell_server.domain.kinds import Outcome, ProviderEnvironment
from schoolbell_server.gateways.common.circuit import Circuit, CircuitState

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


class Circuits:
    """Finds the circuit of a push. Environments that nobody uses do not count."""

    def __init__(self, circuits: Mapping[ProviderEnvironment, Circuit]) -> None:
        """Environments may share a circuit."""
        self._circuits = circuits

    def of(self, environment: ProviderEnvironment) -> Circuit:
        """Return the circuit of an environment."""
        return self._circuits[environment]

    def patience(self, circuit: Circuit) -> dt.timedelta:
        """Return how long a push that an open circuit keeps must not come again.

        Where nothing else leaves, the sender waits for the circuit itself: it may close any time.
        """
        return circuit.wait if len(self._used()) > 1 else dt.timedelta(0)

    def view(self) -> CircuitView:
        """Return how they stand now."""
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
