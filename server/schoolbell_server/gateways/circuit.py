"""A circuit per app and provider: refused credentials open it, a good answer closes it.

While it is open nothing is sent and the app's deliveries are held; a probe, or after a while one
push, finds out whether the provider takes them again.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from schoolbell_server.domain.kinds import Outcome
from schoolbell_server.gateways.push import GatewayHealth

HALF_OPEN_AFTER = 30.0  # seconds
_DOWN_IN_A_ROW = 20


class Circuit:
    """Closed, open, or half-open: open, but one push is let through to see."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._opened: float | None = None
        self._down = 0
        self._reason = ""

    @property
    def is_open(self) -> bool:
        """Return whether a push must wait; letting one through when half-open."""
        if self._opened is None:
            return False
        if self._clock() - self._opened >= HALF_OPEN_AFTER:
            self._opened = self._clock()
            return False
        return True

    def sent(self, outcome: Outcome) -> None:
        """Take note of an answer to a push."""
        if outcome is Outcome.CREDENTIAL_BAD:
            self._open("credentials refused")
        elif outcome in (Outcome.PROVIDER_DOWN, Outcome.NOT_SENT, Outcome.UNKNOWN):
            self._down += 1
        else:
            self._close()

    def probed(self, outcome: Outcome) -> None:
        """Take note of an answer to a probe."""
        self.sent(outcome)

    def health(self, *, connected: bool, reason: str) -> GatewayHealth:
        """Return what the status shows of the link."""
        is_open = self._opened is not None
        troubled = self._down >= _DOWN_IN_A_ROW
        return GatewayHealth(
            connected=connected and not troubled,
            reason=reason or (self._reason if is_open else ""),
            circuit_open=is_open,
        )

    def _open(self, reason: str) -> None:
        if self._opened is None:
            self._opened = self._clock()
        self._reason = reason

    def _close(self) -> None:
        self._opened = None
        self._down = 0
        self._reason = ""
