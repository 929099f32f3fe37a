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

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
AUDIENCE = "https://oauth2.googleapis.com/token"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE = 3600  # seconds, of the assertion
_EARLY = 300.0  # seconds before its end that a token is renewed


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
        self._file = service_account_file
        self._ca_file = ca_file
        self._deadline = deadline
        self._clock = clock
        self._fetching = asyncio.Lock()
        self._token = ""
        self._until = 0.0
        self._transports: dict[str, Transport] = {}

    async def get(self) -> str:
        """Return a token that is good for a while; TokenRefused or TokenUnreachable otherwise."""
        if self._clock() < self._until:
            return self._token
        async with self._fetching:
            if self._clock() >= self._until:
                await self._fetch()
        return self._token

    def forget(self, token: str) -> None:
        """Fetch anew at the next use: Google refused this token."""
        if token == self._token:
            self._until = 0.0

    async def close(self) -> None:
        """Close the connections."""
        for transport in self._transports.values():
            await transport.close()

    async def _fetch(self) -> None:
        account = json.loads(self._file.read_text(encoding="utf-8"))
        url = urlsplit(account["token_uri"])
        form = urlencode({"grant_type": _GRANT, "assertion": self._assertion(account)})
        answer = await self._transport(f"{url.scheme}://{url.netloc}").post(
            url.path.lstrip("/"),
            form.encode(),
            {"content-type": "application/x-www-form-urlencoded"},
        )
        document = _document(answer)
        self._token = document["access_token"]
        life = float(document.get("expires_in", _LIFE))
        self._until = self._clock() + max(life - _EARLY, life / 2)

    def _assertion(self, account: dict[str, str]) -> str:
        now = int(self._clock())
        claims = {
            "iss": account["client_email"],
            "scope": SCOPE,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + _LIFE,
        }
        headers = {"kid": account.get("private_key_id", "")}
        return jwt.encode(claims, account["private_key"], algorithm="RS256", headers=headers)

    def _transport(self, origin: str) -> Transport:
        if origin not in self._transports:
            self._transports[origin] = Transport(origin, self._ca_file, self._deadline)
        return self._transports[origin]


def _document(answer: Answer | Fault) -> dict[str, Any]:
    if isinstance(answer, Fault):
        raise TokenUnreachable(answer.reason)
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = None
    if not isinstance(document, dict) or answer.status >= 500:
        raise TokenUnreachable(f"HTTP {answer.status}")
    if answer.status != 200 or not isinstance(document.get("access_token"), str):
        raise TokenRefused(str(document.get("error", f"HTTP {answer.status}"))[:64])
    return document
