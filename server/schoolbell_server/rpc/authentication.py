"""Credentials to what they allow: `authorization: Bearer`, and an API key or a signed token.

Whatever is shown is checked in memory first; only what is vouched for is looked up in storage.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import Counter

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.identity.refusals import TokenRefused
from schoolbell_server.identity.token import Token, TokenGrant
from schoolbell_server.identity.tokens import Tokens
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.token_refusals import told, unauthenticated
from schoolbell_server.security.api_key import ApiKey, Grant, Role, new_api_key, split_credential


class KeyStore(Protocol):
    """Where API keys are kept."""

    async def find(self, key_id: str) -> ApiKey | None:
        """Return a key, also a revoked or expired one; None if there never was one."""


class KeyFilter(Protocol):
    """What keeps made-up keys from storage."""

    def allows(self, key_id: str, secret: str) -> bool:
        """Tell whether storage may be asked for a key."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A key as a caller shows it; nothing is known of it yet but that it may be one."""

    key_id: str
    secret: str


def utc_now() -> dt.datetime:
    """Return the present time."""
    return dt.datetime.now(dt.UTC)


class Authenticator:
    """Tell callers apart by the keys and tokens that they show."""

    def __init__(
        self,
        store: KeyStore,
        now: Callable[[], dt.datetime] = utc_now,
        *,
        gate: KeyFilter | None = None,
        on_used: Callable[[str], None] = lambda _: None,
        tokens: Tokens | None = None,
        refused: Counter | None = None,
    ) -> None:
        """`on_used` is told the id of every good key that is shown, `refused` counts tokens."""
        self._gate = gate
        self._tokens = tokens
        self._refused = refused
        self._store = store
        self._now = now
        self._on_used = on_used
        self._nobody, _ = new_api_key(district_ids=(), role=Role.MONITOR)

    async def claim(self, metadata: Iterable[tuple[str, str | bytes]]) -> Credential | Token:
        """Return what the caller shows; SchoolbellError if it can be no good key or token.

        Nothing is looked up for it; a token is checked but for its rights.
        """
        shown = _bearer(metadata)
        if self._tokens is not None and self._tokens.is_one(shown):
            try:
                return await self._tokens.check(shown)
            except TokenRefused as error:
                raise self._told(error) from None
        found = split_credential(shown)
        if found is None or not (self._gate is None or self._gate.allows(*found)):
            raise unauthenticated()
        return Credential(*found)

    async def authenticate(self, credential: Credential | Token) -> Grant:
        """Return what the caller may do; SchoolbellError (UNAUTHENTICATED) if there is no key."""
        if isinstance(credential, Token):
            assert self._tokens is not None
            return await self._tokens.grant(credential)
        key = await self._store.find(credential.key_id)
        if not (key or self._nobody).matches(credential.secret) or key is None:
            raise unauthenticated()
        self._check_valid(key)
        self._on_used(key.key_id)
        return key

    async def check_again(self, grant: Grant) -> None:
        """Check that what was shown a while ago is still good, and means the same; else raise."""
        if isinstance(grant, TokenGrant):
            await self._check_token_again(grant)
        elif isinstance(grant, ApiKey):
            await self._check_key_again(grant)

    async def _check_key_again(self, key: ApiKey) -> None:
        stored = await self._store.find(key.key_id)
        if stored is None:
            raise unauthenticated()
        self._check_valid(stored)
        if stored.secret_hash != key.secret_hash:
            raise _revoked("the API key has another secret now")
        if _scope(stored) != _scope(key):
            raise _revoked("the API key's rights changed; call again")

    async def _check_token_again(self, grant: TokenGrant) -> None:
        assert self._tokens is not None
        try:
            present = await self._tokens.grant_again(grant.token)
        except TokenRefused as error:
            raise self._told(error) from None
        if _scope(present) != _scope(grant):
            raise _revoked("the rights of the token's person changed; call again")

    def _told(self, error: TokenRefused) -> SchoolbellError:
        if self._refused is not None:
            self._refused.labels(error.cause.value).inc()
        return told(error)

    def _check_valid(self, key: ApiKey) -> None:
        if key.revoke_time is not None:
            raise _revoked("the API key was revoked")
        if key.expire_time is not None and key.expire_time <= self._now():
            when = key.expire_time.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_KEY_EXPIRED,
                f"the API key expired at {when}",
                metadata={"expire_time": when},
            )


def _scope(key: Grant) -> tuple[object, ...]:
    """Return what a key may do."""
    return key.role, key.district_ids, key.rights, key.sources


def _bearer(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    values = [value for name, value in metadata if name == "authorization"]
    if len(values) != 1 or not isinstance(values[0], str):
        return ""
    scheme, _, credential = values[0].partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else ""


def _revoked(message: str) -> SchoolbellError:
    return SchoolbellError(ErrorReason.ERROR_REASON_KEY_REVOKED, message)
