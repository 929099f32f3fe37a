"""Credentials to API key: `authorization: Bearer sb_<key id>_<secret>`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.security.api_key import ApiKey, Role, new_api_key, split_credential


class KeyStore(Protocol):
    """Where API keys are kept."""

    async def find(self, key_id: str) -> ApiKey | None:
        """Return a key, also a revoked or expired one; None if there never was one."""


class Gate(Protocol):
    """What keeps made-up keys from storage."""

    def allows(self, key_id: str, secret: str) -> bool:
        """Tell whether storage may be asked for a key."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a caller shows; nothing is known of it yet but its form."""

    key_id: str
    secret: str


def utc_now() -> dt.datetime:
    """Return the present time."""
    return dt.datetime.now(dt.UTC)


class Authenticator:
    """Tell callers apart by the keys they show."""

    def __init__(
        self,
        store: KeyStore,
        now: Callable[[], dt.datetime] = utc_now,
        *,
        gate: Gate | None = None,
        on_used: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_used` is told the id of every good key that is shown."""
        self._gate = gate
        self._store = store
        self._now = now
        self._on_used = on_used
        self._nobody, _ = new_api_key(district_ids=(), role=Role.MONITOR)

    def claim(self, metadata: Iterable[tuple[str, str | bytes]]) -> Credential:
        """Return what the caller shows; SchoolbellError (UNAUTHENTICATED) if it can be no key.

        Nothing is looked up for it.
        """
        found = split_credential(_bearer(metadata))
        if found is None or not (self._gate is None or self._gate.allows(*found)):
            raise _unauthenticated()
        return Credential(*found)

    async def authenticate(self, credential: Credential) -> ApiKey:
        """Return the caller's key; SchoolbellError (UNAUTHENTICATED) if there is no good one."""
        key = await self._store.find(credential.key_id)
        if not (key or self._nobody).matches(credential.secret) or key is None:
            raise _unauthenticated()
        self._check_standing(key)
        self._on_used(key.key_id)
        return key

    async def check_again(self, key: ApiKey) -> None:
        """Check that a key shown a while ago is still good, and means the same; else raise."""
        stored = await self._store.find(key.key_id)
        if stored is None:
            raise _unauthenticated()
        self._check_standing(stored)
        if stored.secret_hash != key.secret_hash:
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_KEY_REVOKED, "the API key has another secret now"
            )
        if _scope(stored) != _scope(key):
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_KEY_REVOKED, "the API key's rights changed; call again"
            )

    def _check_standing(self, key: ApiKey) -> None:
        if key.revoke_time is not None:
            raise SchoolbellError(ErrorReason.ERROR_REASON_KEY_REVOKED, "the API key was revoked")
        if key.expire_time is not None and key.expire_time <= self._now():
            when = key.expire_time.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_KEY_EXPIRED,
                f"the API key expired at {when}",
                metadata={"expire_time": when},
            )


def _scope(key: ApiKey) -> tuple[object, ...]:
    """Return what a key may do."""
    return key.role, key.district_ids, key.rights, key.sources


def _bearer(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    values = [value for name, value in metadata if name == "authorization"]
    if len(values) != 1 or not isinstance(values[0], str):
        return ""
    scheme, _, credential = values[0].partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else ""


def _unauthenticated() -> SchoolbellError:
    """Tell nobody whether it was the key id or the secret that was wrong."""
    return SchoolbellError(
        ErrorReason.ERROR_REASON_UNAUTHENTICATED,
        "show an API key as `authorization: Bearer <key>`; there was none, or none that is known",
    )
