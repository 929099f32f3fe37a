"""Whose quota it is where Google does not say: a device's, unless many devices have it in a row."""

from __future__ import annotations

from schoolbell_server.domain.kinds import Outcome
from schoolbell_server.gateways.fcm.errors import Meaning

IN_A_ROW = 20
"""So many devices without an answer to any other between them, and it is the project's quota."""
_SAYS_NOTHING = frozenset(
    {Outcome.NOT_SENT, Outcome.ANSWER_LOST, Outcome.PROVIDER_DOWN, Outcome.CREDENTIAL_BAD}
)


class QuotaGuess:
    """Watches the answers of one app."""

    def __init__(self) -> None:
        self._addresses: set[str] = set()

    def outcome(self, address: str, meaning: Meaning) -> Outcome:
        """Return what an answer to a push to an address means."""
        if meaning.outcome in _SAYS_NOTHING:
            return meaning.outcome
        if not meaning.unscoped:
            self._addresses.clear()
            return meaning.outcome
        if len(self._addresses) < IN_A_ROW:
            self._addresses.add(address)
        if len(self._addresses) < IN_A_ROW:
            return meaning.outcome
        return Outcome.THROTTLED_PROJECT
