"""Renew the credential of a session before it ends, once for all requests that come meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from schoolbell_console.oidc import Provider, ProviderAway, ProviderRefused
from schoolbell_console.session import Session

_EARLY = 30.0  # seconds before its end that a credential is renewed
_MOST = 10_000


class Renewals:
    """Renews the sessions of one provider.

    A provider may take a refresh token only once. So requests that carry a cookie of before, such
    as those of another tab, are given what the first of them was given.
    """

    def __init__(self, provider: Provider, clock: Callable[[], float] = time.time) -> None:
        self._provider = provider
        self._clock = clock
        self._flights: dict[str, asyncio.Task[Session | None]] = {}
        self._renewed: OrderedDict[str, Session] = OrderedDict()

    async def fresh(self, session: Session) -> Session | None:
        """Return a session as it is, or renewed; None once the person has to sign in again."""
        if self._is_fresh(session):
            return session
        known = self._renewed.get(session.session_id)
        if known is not None and self._is_fresh(known):
            return known
        flight = self._flights.get(session.session_id)
        if flight is None:
            newest = session if known is None else known
            flight = asyncio.create_task(self._renew(newest), name="renewal of a session")
            self._flights[session.session_id] = flight
            flight.add_done_callback(lambda _: self._flights.pop(session.session_id))
        return await asyncio.shield(flight)

    def _is_fresh(self, session: Session) -> bool:
        return not session.refresh_token or self._clock() < session.fresh_until - _EARLY

    async def _renew(self, session: Session) -> Session | None:
        try:
            tokens = await self._provider.renew(session.refresh_token)
        except ProviderRefused:
            return None
        except ProviderAway:
            return session  # the service says when its credential is of no more use
        renewed = replace(
            session,
            credential=tokens.access_token,
            refresh_token=tokens.refresh_token or session.refresh_token,
            fresh_until=self._clock() + (tokens.life or 300.0),
        )
        self._renewed[session.session_id] = renewed
        self._renewed.move_to_end(session.session_id)
        if len(self._renewed) > _MOST:
            self._renewed.popitem(last=False)
        return renewed
