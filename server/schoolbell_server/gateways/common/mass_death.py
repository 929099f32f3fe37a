"""A guard against mass death: when every token is said to be dead, the configuration is at fault.

A wrong topic, environment or project answers for every good token as for a dead one. Nobody's
token may be lost over that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from schoolbell_server.domain.kinds import Outcome
from schoolbell_server.gateways.common.push import PushResult

IN_A_ROW = 20
"""Dead tokens without one acceptance between them. Real ones are a few in a hundred, so this many
never come together by chance; what was retired before the guard trips is the price of a fault."""


class MassDeathGuard:
    """Watches the results of one app in one environment."""

    def __init__(self, in_a_row: int = IN_A_ROW) -> None:
        self._in_a_row = in_a_row
        self._dead = 0

    @property
    def tripped(self) -> bool:
        """Return whether tokens are kept, whatever the provider says of them."""
        return self._dead >= self._in_a_row

    def admit(self, results: Sequence[PushResult]) -> Sequence[PushResult]:
        """Return the results of one batch, its dead tokens spared if nothing but death is heard.

        A batch is judged as a whole, because its results have no order.
        """
        dead = sum(result.outcome is Outcome.TOKEN_DEAD for result in results)
        if any(result.outcome is Outcome.ACCEPTED for result in results):
            self._dead = 0
        else:
            self._dead += dead
        return [_spared(result) for result in results] if dead and self.tripped else results


def _spared(result: PushResult) -> PushResult:
    """Return a refusal that retires no token."""
    if result.outcome is not Outcome.TOKEN_DEAD:
        return result
    return replace(result, outcome=Outcome.TOKEN_OF_ANOTHER_APP, token_dead_since=None)
