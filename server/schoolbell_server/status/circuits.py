"""Circuits as status shows them."""

from __future__ import annotations

from collections.abc import Sequence

from schoolbell.v1 import status_pb2
from schoolbell_server.gateways.common.circuit import CircuitState
from schoolbell_server.gateways.common.circuits import CircuitView

CIRCUITS = {
    CircuitState.CLOSED: status_pb2.CIRCUIT_CLOSED,
    CircuitState.OPEN: status_pb2.CIRCUIT_OPEN,
    CircuitState.HALF_OPEN: status_pb2.CIRCUIT_HALF_OPEN,
}
_WORST = (CircuitState.OPEN, CircuitState.HALF_OPEN, CircuitState.CLOSED)


def worst(circuits: Sequence[CircuitView]) -> CircuitView:
    """Return the worst of some circuits; a closed one where there are none."""
    return min(circuits, key=lambda view: _WORST.index(view.state), default=CircuitView())
