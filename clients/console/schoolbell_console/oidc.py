"""The district's identity provider, by OpenID Connect: discovery, code for tokens, renewal.

Whatever it answers is read as a stranger's: bounded in size and time, redirected nowhere.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aiohttp

from schoolbell_console.config import BadConfig, OidcConfig
from schoolbell_console.id_tokens import BadIdToken, check_id_token

_DEADLINE = aiohttp.ClientTimeout(total=10)
_MOST_BYTES = 256 * 1024
_KEPT = 3600.0  # seconds that the provider's own description is believed
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_FAILURES = (aiohttp.ClientError, TimeoutError, ValueError, RecursionError)


class ProviderAway(Exception):
    """The provider does not answer, or not as one does."""


class ProviderRefused(Exception):
    """The provider does not take a code or a refresh token, or its answer is not for us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a provider gives for a code or a refresh token."""

    access_token: str
    refresh_token: str
    """Empty where there is none."""
    id_token: str
    life: float | None
    """Seconds that the access token is good for; None where it does not say."""


class Provider:
    """One provider, as the configuration names it."""

    def __init__(self, config: OidcConfig, origin: str) -> None:
        """Read the files that the configuration names; raises BadConfig."""
        self._config = config
        self.issuer = config.issuer
        self.return_address = f"{origin}/sign-in/oidc/return"
        self._goodbye_address = f"{origin}/sign-in?why=left"
        self._secret = _secret(config)
        self._tls = _tls(config)
        self._place: dict[str, Any] = {}
        self._known_until = 0.0
        self._session: aiohttp.ClientSession | None = None

    async def entrance(self, state: str, nonce: str, challenge: str) -> str:
        """Return the address where a person signs in at the provider."""
        config = self._config
        asked = {
            "response_type": "code",
            "client_id": config.client_id,
            "redirect_uri": self.return_address,
            "scope": config.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if config.resource:
            asked["resource"] = config.resource
        return _with_query(await self._endpoint("authorization_endpoint"), asked)

    async def exit(self) -> str | None:
        """Return the address where a person signs out at the provider; None if it has none."""
        place = await self._described()
        end = place.get("end_session_endpoint")
        if not _is_https(end):
            return None
        asked = {
            "client_id": self._config.client_id,
            "post_logout_redirect_uri": self._goodbye_address,
        }
        return _with_query(str(end), asked)

    async def exchange(self, code: str, verifier: str, nonce: str) -> Tokens:
        """Return the tokens of a code; the ID token says that they are for this very sign-in."""
        tokens = await self._ask_for_tokens(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self.return_address,
                "code_verifier": verifier,
            }
        )
        keys = await self._get(await self._endpoint("jwks_uri"))
        try:
            check_id_token(
                tokens.id_token,
                keys,
                issuer=self._config.issuer,
                client_id=self._config.client_id,
                nonce=nonce,
                access_token=tokens.access_token,
            )
        except BadIdToken as error:
            raise ProviderRefused(str(error)) from None
        return tokens

    async def renew(self, refresh_token: str) -> Tokens:
        """Return the next tokens; ProviderRefused once the person has to sign in again."""
        return await self._ask_for_tokens(
            {"grant_type": "refresh_token", "refresh_token": refresh_token}
        )

    async def revoke(self, refresh_token: str) -> None:
        """Tell the provider that a refresh token is used no more, if it wants to hear of it."""
        place = await self._described()
        address = place.get("revocation_endpoint")
        if _is_https(address):
            asked = {"token": refresh_token, "token_type_hint": "refresh_token"}
            await self._post(str(address), asked)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _ask_for_tokens(self, form: Mapping[str, str]) -> Tokens:
        status, answer = await self._post(await self._endpoint("token_endpoint"), form)
        if status in (400, 401):
            raise ProviderRefused(str(answer.get("error", ""))[:64])
        access, life = answer.get("access_token"), answer.get("expires_in")
        if status != 200 or not isinstance(access, str) or not access:
            raise ProviderAway(f"HTTP {status}")
        others = [answer.get(name) for name in ("refresh_token", "id_token")]
        refresh, said = (one if isinstance(one, str) else "" for one in others)
        good = isinstance(life, int | float) and not isinstance(life, bool) and life > 0
        return Tokens(
            access_token=access,
            refresh_token=refresh,
            id_token=said,
            life=float(life) if good and life is not None else None,
        )

    async def _endpoint(self, name: str) -> str:
        return str((await self._described())[name])

    async def _described(self) -> dict[str, Any]:
        """Return what the provider says of itself; it must call itself what we call it."""
        if time.monotonic() >= self._known_until:
            issuer = self._config.issuer
            found = await self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != issuer:
                raise ProviderAway("the provider calls itself something else")
            for name in _ENDPOINTS:
                if not _is_https(found.get(name)):
                    raise ProviderAway(f"the provider has no {name} over https")
            self._place, self._known_until = found, time.monotonic() + _KEPT
        return self._place

    async def _get(self, address: str) -> dict[str, Any]:
        status, document = await self._call("GET", address)
        if status != 200:
            raise ProviderAway(f"HTTP {status}")
        return document

    async def _post(self, address: str, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        headers, fields = {}, dict(form)
        if self._secret:
            pair = f"{quote(self._config.client_id, safe='')}:{quote(self._secret, safe='')}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            fields["client_id"] = self._config.client_id
        return await self._call("POST", address, data=fields, headers=headers)

    async def _call(self, method: str, address: str, **options: Any) -> tuple[int, dict[str, Any]]:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._tls)
            self._session = aiohttp.ClientSession(connector=connector, timeout=_DEADLINE)
        try:
            asked = self._session.request(method, address, allow_redirects=False, **options)
            async with asyncio.timeout(_DEADLINE.total), asked as answer:
                body = bytearray()
                async for chunk in answer.content.iter_chunked(16 * 1024):
                    body += chunk
                    if len(body) > _MOST_BYTES:
                        raise ProviderAway("the answer is too large")
                document = json.loads(body) if body else {}
                return answer.status, document if isinstance(document, dict) else {}
        except _FAILURES as error:
            raise ProviderAway(type(error).__name__) from None


def _is_https(address: object) -> bool:
    return isinstance(address, str) and address.startswith("https://")


def _with_query(address: str, asked: Mapping[str, str]) -> str:
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(asked)}"


def _secret(config: OidcConfig) -> str:
    if config.client_secret_file is None:
        return ""
    try:
        return config.client_secret_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise BadConfig(f"oidc.client_secret_file {config.client_secret_file}: no text") from None


def _tls(config: OidcConfig) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        if config.ca_file is not None:
            context.load_verify_locations(config.ca_file)
    except (OSError, ssl.SSLError):
        raise BadConfig(f"oidc.ca_file {config.ca_file} holds no certificate in PEM") from None
    return context
