"""Google's access tokens: one per service account, fetched once for everybody, renewed early."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import jwt

from schoolbell_server.gateways.common.files import stamp
from schoolbell_server.gateways.common.foreign_json import ForeignObject, object_or_empty
from schoolbell_server.gateways.common.transport import Answer, NoAnswer, Transport
from schoolbell_server.gateways.common.wording import word
from schoolbell_server.gateways.fcm.service_account import ServiceAccount, read_service_account
from schoolbell_server.observability.log import get_logger
from schoolbell_server.security.credential_files import CredentialUnusable

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
AUDIENCE = "https://oauth2.googleapis.com/token"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE = 3600  # seconds, of the assertion, and the longest of a token
_LONGEST_TOKEN = 16 * 1024  # characters
_EARLY = 300.0  # seconds before its end that a token is renewed, while the old one is still used
_LAST = 30.0  # seconds before its end that a token is used no more
_FAILURE_LIFE = 1.0  # seconds in which nobody asks again after a failure

_logger = get_logger(__name__)


class TokenRefused(Exception):
    """Google would not give a token; the text is its error code."""


class TokenUnreachable(Exception):
    """The token endpoint did not answer sensibly."""

    def __init__(self, reason: str, *, timed_out: bool = False) -> None:
        """Tell with `timed_out` an endpoint that said nothing in all the time that it had."""
        super().__init__(reason)
        self.timed_out = timed_out


class AccessToken:
    """The access token of one service account.

    Its file is read at the first fetch, and again when it has changed; one that cannot be used
    leaves the account that could in use.
    """

    def __init__(
        self,
        service_account_file: Path,
        ca_file: Path | None,
        deadline: dt.timedelta,
        clock: Callable[[], float] = time.time,
        proxy: str = "",
    ) -> None:
        """`clock` gives epoch seconds."""
        self._file = service_account_file
        self._ca_file = ca_file
        self._deadline = deadline
        self._proxy = proxy
        self._clock = clock
        self._account: ServiceAccount | None = None
        self._seen = stamp(service_account_file)
        self.problem = ""
        """What is wrong with the file that was put in place of a good one."""
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
                raise TokenUnreachable("no access token in time", timed_out=True) from None
            return self._old_or_raise(now)
        return self._token

    def ready(self) -> str | None:
        """Return a token that is good for a while, None where one has to be fetched."""
        return self._token if self._clock() < self._renew_time else None

    def look(self) -> None:
        """Read the file again if it was replaced."""
        seen = stamp(self._file)
        if self._account is not None and seen != self._seen:
            self._seen = seen
            try:
                self._account = read_service_account(self._file)
                self.problem = ""
            except CredentialUnusable as error:
                self.problem = str(error)

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
        """Fetch a token, or note why not: who waits for it was never sent anything."""
        try:
            await self._ask()
            self._failure = None
        except (TokenRefused, TokenUnreachable) as error:
            self._failure, self._failed = error, self._clock()
        except Exception as error:  # noqa: BLE001 - a link without a token ends no server
            cause = type(error).__name__
            _logger.error("access token not fetched", extra={"cause": cause})
            self._failure, self._failed = TokenUnreachable(cause), self._clock()

    async def _ask(self) -> None:
        account = self._present_account()
        form = urlencode({"grant_type": _GRANT, "assertion": self._assertion(account)})
        transport = self._transport(account.token_origin)
        transport.freshen()
        answer = await transport.post(
            account.token_path,
            form.encode(),
            {"content-type": "application/x-www-form-urlencoded"},
        )
        token, life = _token_of(answer)
        now = self._clock()
        self._token = token
        self._until = now + max(life - _LAST, life / 2)
        self._renew_time = now + max(life - _EARLY, life / 2)

    def _present_account(self) -> ServiceAccount:
        self.look()
        if self._account is None:
            seen = stamp(self._file)
            try:
                self._account = read_service_account(self._file)
            except CredentialUnusable as error:
                raise TokenRefused(f"the service account file {error}") from None
            self._seen = seen
        return self._account

    def _assertion(self, account: ServiceAccount) -> str:
        now = int(self._clock())
        claims = {
            "iss": account.client_email,
            "scope": SCOPE,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + _LIFE,
        }
        headers = {"kid": account.private_key_id}
        try:
            return jwt.encode(claims, account.private_key, algorithm="RS256", headers=headers)
        except (ValueError, jwt.PyJWTError) as error:
            raise TokenRefused("service account key unusable") from error

    def _transport(self, origin: str) -> Transport:
        if origin not in self._transports:
            self._transports[origin] = Transport(
                origin, deadline=self._deadline, ca_file=self._ca_file, proxy=self._proxy
            )
        return self._transports[origin]


def _token_of(answer: Answer | NoAnswer) -> tuple[str, float]:
    """Return the token of an answer, and its life in seconds."""
    if isinstance(answer, NoAnswer):
        raise TokenUnreachable(answer.reason, timed_out=answer.timed_out)
    document = object_or_empty(answer.body)
    if answer.status != 200:
        raise _refusal(answer.status, document)
    token, life = document.text("access_token"), _life(document)
    if not _is_token(token):
        raise TokenUnreachable("the token endpoint's answer holds no usable access_token")
    if life is None:
        raise TokenUnreachable("the token endpoint's answer holds no usable expires_in")
    return token, life


def _refusal(status: int, document: ForeignObject) -> TokenRefused | TokenUnreachable:
    """Tell an endpoint that refuses the account from one that is in trouble."""
    error = word(document.text("error"))
    if status >= 500 or status == 429 or not error:
        return TokenUnreachable(error or f"HTTP {status}")
    return TokenRefused(error)


def _is_token(token: str) -> bool:
    """Return whether it can be sent as a header."""
    return 0 < len(token) <= _LONGEST_TOKEN and token.isascii() and token.isprintable()


def _life(document: ForeignObject) -> float | None:
    """Return for how many seconds a token is good; None where the answer says nothing sensible."""
    if "expires_in" not in document:  # OAuth lets it be left out
        return float(_LIFE)
    life = document.number("expires_in")
    return min(life, float(_LIFE)) if life is not None and life > 0 else None
