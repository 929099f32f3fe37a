"""Google's access tokens: one per service account, fetched once for everybody, renewed early."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt

from schoolbell_server.gateways.transport import Answer, Fault, Transport
from schoolbell_server.gateways.wording import word

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
AUDIENCE = "https://oauth2.googleapis.com/token"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE = 3600  # seconds, of the assertion
_EARLY = 300.0  # seconds before its end that a token is renewed, while the old one is still used
_LAST = 30.0  # seconds before its end that a token is used no more
_FAILURE_LIFE = 1.0  # seconds in which nobody asks again after a failure


class TokenRefused(Exception):
    """Google would not give a token; the text is its error code."""


class TokenUnreachable(Exception):
    """The token endpoint did not answer sensibly."""


class AccessToken:
    """The access token of one service account; its file is read at every fetch."""

    def __init__(
        self,
        service_account_file: Path,
        ca_file: Path | None,
        deadline: dt.timedelta,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives epoch seconds."""
        self._file = service_account_file
        self._ca_file = ca_file
        self._deadline = deadline
        self._clock = clock
        self._token = ""
        self._renew_time = self._until = 0.0
        self._failure: TokenRefused | TokenUnreachable | None = None
        self._failed = 0.0
        self._flight: asyncio.Task[None] | None = None
        self._transports: dict[str, Transport] = {}

    async def get(self, limit: float | None = None) -> str:
        """Return a token that is good for a while, within `limit` seconds.

        TokenRefused or TokenUnreachable otherwise. One fetch serves everybody who waits; a token
        that is only old is used on meanwhile.
        """
        now = self._clock()
        if now < self._renew_time:
            return self._token
        if self._failure is not None and 0 <= now - self._failed < _FAILURE_LIFE:
            return self._old_or_raise(now)
        flight = self._fetch_once()
        if now >= self._until:
            try:
                # The fetch goes on if this caller gives up: others wait for it too.
                await asyncio.wait_for(asyncio.shield(flight), limit)
            except TimeoutError:
                raise TokenUnreachable("no access token in time") from None
            return self._old_or_raise(now)
        return self._token

    def forget(self, token: str) -> None:
        """Fetch anew at the next use: Google refused this token."""
        if token == self._token:
            self._renew_time = self._until = 0.0

    async def close(self) -> None:
        """Close the connections."""
        if self._flight is not None:
            await self._flight
        for transport in self._transports.values():
            await transport.close()
        self._transports.clear()

    def _old_or_raise(self, now: float) -> str:
        if now < self._until:
            return self._token
        raise self._failure or TokenUnreachable("no access token")

    def _fetch_once(self) -> asyncio.Task[None]:
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._fetch(), name="access token")
        return self._flight

    async def _fetch(self) -> None:
        try:
            await self._ask()
            self._failure = None
        except (TokenRefused, TokenUnreachable) as error:
            self._failure, self._failed = error, self._clock()

    async def _ask(self) -> None:
        account = self._account()
        url = urlsplit(account["token_uri"])
        form = urlencode({"grant_type": _GRANT, "assertion": self._assertion(account)})
        transport = self._transport(f"{url.scheme}://{url.netloc}")
        transport.freshen()
        answer = await transport.post(
            url.path.lstrip("/"),
            form.encode(),
            {"content-type": "application/x-www-form-urlencoded"},
        )
        document = _document(answer)
        self._token = document["access_token"]
        life = float(document.get("expires_in", _LIFE))
        now = self._clock()
        self._until = now + max(life - _LAST, life / 2)
        self._renew_time = now + max(life - _EARLY, life / 2)

    def _account(self) -> dict[str, str]:
        try:
            account = json.loads(self._file.read_text(encoding="utf-8"))
            return {
                key: str(account[key]) for key in ("client_email", "private_key", "token_uri")
            } | {"private_key_id": str(account.get("private_key_id", ""))}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise TokenRefused("service account file unreadable") from error

    def _assertion(self, account: dict[str, str]) -> str:
        now = int(self._clock())
        claims = {
            "iss": account["client_email"],
            "scope": SCOPE,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + _LIFE,
        }
        headers = {"kid": account["private_key_id"]}
        try:
            return jwt.encode(claims, account["private_key"], algorithm="RS256", headers=headers)
        except (ValueError, jwt.PyJWTError) as error:
            raise TokenRefused("service account key unusable") from error

    def _transport(self, origin: str) -> Transport:
        if origin not in self._transports:
            self._transports[origin] = Transport(
                origin, deadline=self._deadline, ca_file=self._ca_file
            )
        return self._transports[origin]


def _document(answer: Answer | Fault) -> dict[str, Any]:
    if isinstance(answer, Fault):
        raise TokenUnreachable(answer.reason)
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = None
    if not isinstance(document, dict) or answer.status >= 500 or answer.status == 429:
        raise TokenUnreachable(f"HTTP {answer.status}")
    if answer.status != 200 or not isinstance(document.get("access_token"), str):
        raise TokenRefused(word(document.get("error")) or f"HTTP {answer.status}")
    return document
