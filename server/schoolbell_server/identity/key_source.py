"""Where the keys of an issuer come from: a file, or a URL that may be away for a while.

Tokens that name an unknown key can be made up by anybody, so they make it look again only now and
then, and one look serves all who wait for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from schoolbell_server.config import IssuerConfig
from schoolbell_server.config.key_set import KeySet, Missing, VerifyingKey, key_set, read_key_set
from schoolbell_server.gateways.common.files import stamp
from schoolbell_server.identity.fetch import FetchFailed, fetch
from schoolbell_server.security.credential_files import CredentialUnusable

MOST_WAITING = 50
"""Tokens that wait at once for a look at the keys; further ones are refused."""

Report = Callable[[str, str], None]
"""Takes a setting and what is wrong with it; '' where nothing is."""


class KeySource:
    """The keys of one issuer."""

    def __init__(
        self,
        issuer: IssuerConfig,
        report: Report,
        *,
        clock: Callable[[], float] = time.monotonic,
        get: Callable[[str, Path | None], Awaitable[bytes]] = fetch,
    ) -> None:
        self._issuer = issuer
        self._report = report
        self._clock = clock
        self._get = get
        self._keys = KeySet()
        self._setting = f"identity.issuers.{issuer.name}."
        self._setting += "jwks_file" if issuer.jwks_file is not None else "jwks_url"
        self._stamp: object = ()
        self._good_until = 0.0
        self._next_look = clock()
        self._last_look = float("-inf")
        self._flight: asyncio.Task[None] | None = None
        self._waiting = 0

    @property
    def keys(self) -> KeySet:
        """The keys that may be used now; none where nobody has vouched for them for too long."""
        if self._issuer.jwks_file is None and self._clock() >= self._good_until:
            return KeySet()
        return self._keys

    async def look(self) -> None:
        """Read the file if it was replaced, or the URL if its time has come."""
        if self._issuer.jwks_file is not None:
            self._look_at_file(self._issuer.jwks_file)
        elif self._clock() >= self._next_look:
            await asyncio.shield(self._look_once())

    async def find(self, kid: str, algorithm: str) -> VerifyingKey | Missing:
        """Return the key that a token names, after another look where it is not known."""
        found = self.keys.find(kid, algorithm)
        if found is Missing.UNKNOWN and self._may_look():
            self._waiting += 1
            try:
                await self.look_again()
            finally:
                self._waiting -= 1
            return self.keys.find(kid, algorithm)
        return found

    async def look_again(self) -> None:
        """Look before the time has come; who waits for it may give up without ending it."""
        if self._issuer.jwks_file is not None:
            self._look_at_file(self._issuer.jwks_file)
        else:
            await asyncio.shield(self._look_once())

    async def close(self) -> None:
        """End a look that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait([self._flight])

    def _may_look(self) -> bool:
        if self._waiting >= MOST_WAITING:
            return False
        if self._issuer.jwks_file is not None:
            return stamp(self._issuer.jwks_file) != self._stamp
        under_way = self._flight is not None and not self._flight.done()
        pause = self._issuer.jwks_pause.total_seconds()
        return under_way or self._clock() - self._last_look >= pause

    def _look_at_file(self, path: Path) -> None:
        seen = stamp(path)
        if seen == self._stamp:
            return
        self._stamp = seen
        try:
            self._keys = read_key_set(path)
            problem = ""
        except CredentialUnusable as error:
            problem = f"{self._setting}: the file {error}. What it held before stays in use."
        self._report(self._setting, problem)

    def _look_once(self) -> asyncio.Task[None]:
        if self._flight is None or self._flight.done():
            self._last_look = self._clock()
            self._flight = asyncio.create_task(self._fetch(), name="keys of an issuer")
        return self._flight

    async def _fetch(self) -> None:
        """Take the keys that the URL has; while there are none, those of before for the grace."""
        issuer = self._issuer
        interval = issuer.jwks_interval.total_seconds()
        try:
            self._keys = key_set(await self._get(issuer.jwks_url, issuer.ca_file))
        except (FetchFailed, CredentialUnusable) as error:
            self._next_look = self._clock() + issuer.jwks_pause.total_seconds()
            self._report(
                self._setting,
                f"{self._setting}: no keys of the issuer: {error}. Those of before stay in use for "
                "jwks_grace.",
            )
            return
        now = self._clock()
        self._next_look = now + interval
        self._good_until = now + interval + issuer.jwks_grace.total_seconds()
        self._report(self._setting, "")
