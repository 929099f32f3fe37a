"""API keys: what a caller shows, and what is stored of it.

A credential is `sb_<key id>_<secret>`. The secret is 256 random bits, so one SHA-256 of it is
enough at rest: there is nothing to guess. It ends in a proof that the installation made it
(`key_gate`), but for keys of older versions.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, unique

from schoolbell_server.domain.principal import Principal, PrincipalType

PREFIX = "sb"
EVERY_DISTRICT = "-"
"""The district of a key that is for all of them, as the contract writes it."""


@unique
class Role(IntEnum):
    """What sort of caller it is; numbers are the contract's."""

    PUBLISHER = 1
    MOBILE_BACKEND = 2
    MONITOR = 3
    ADMINISTRATOR = 4
    OPERATOR = 5


@unique
class Tool(IntEnum):
    """What an administrator may have rights on; numbers are the contract's."""

    PUSH_NOTIFICATIONS = 1
    DISPLAY_OPTIONS = 2
    EXPLANATIONS = 3
    ACCESS = 4
    BARS = 5


@unique
class Right(IntEnum):
    """What may be done with a tool; writing includes reading. Numbers are the contract's."""

    READ = 1
    WRITE = 2


Rights = Mapping[Tool, Right]
"""The most that an administrator may do with each tool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a caller may do, whatever was shown for it."""

    key_id: str
    """Names what was shown, in logs and limits: a key's id."""
    district_ids: frozenset[str]
    """Its districts, or `EVERY_DISTRICT` alone."""
    role: Role
    rights: Mapping[str, Rights] = field(default_factory=dict)
    """Of an administrator, by district: the most it may do with each tool."""
    sources: frozenset[str] = frozenset()
    """What it may publish and import for; empty is all."""
    user_id: str = ""
    """The person behind an administrator's key."""
    expire_time: dt.datetime | None = None

    @property
    def principal(self) -> Principal:
        """Who acts with it."""
        return Principal(PrincipalType.API_KEY, self.key_id, self.user_id)

    def covers(self, district_id: str) -> bool:
        """Tell whether it is for a district; only a key for all covers `EVERY_DISTRICT`."""
        return not self.district_ids.isdisjoint((district_id, EVERY_DISTRICT))

    def allows_source(self, source: str) -> bool:
        """Tell whether it may publish and import for a source."""
        return not self.sources or source in self.sources


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey(Grant):
    """A caller's key as stored: the secret itself is nowhere."""

    secret_hash: str
    """SHA-256 of the secret, in hex."""
    display_name: str = ""
    revoke_time: dt.datetime | None = None

    def matches(self, secret: str) -> bool:
        """Tell whether this is its secret, in the same time whatever the answer."""
        return hmac.compare_digest(secret_hash(secret), self.secret_hash)


def new_api_key(
    *,
    district_ids: Iterable[str],
    role: Role,
    display_name: str = "",
    rights: Mapping[str, Rights] | None = None,
    sources: frozenset[str] = frozenset(),
    user_id: str = "",
    expire_time: dt.datetime | None = None,
    key_id: str = "",
    proof: Callable[[str, str], str] = lambda _, __: "",
) -> tuple[ApiKey, str]:
    """Return a new key and its credential, which exists nowhere else.

    `key_id` is that of a key whose secret is replaced. `proof` is what the secret ends in, made of
    the key's id and the secret before it.
    """
    key_id, secret = key_id or str(uuid.uuid4()), secrets.token_urlsafe(32)
    secret += proof(key_id, secret)
    key = ApiKey(
        key_id=key_id,
        secret_hash=secret_hash(secret),
        district_ids=frozenset(district_ids),
        role=role,
        display_name=display_name,
        rights=rights or {},
        sources=sources,
        user_id=user_id,
        expire_time=expire_time,
    )
    return key, f"{PREFIX}_{key_id}_{secret}"


def split_credential(credential: str) -> tuple[str, str] | None:
    """Return the key id and the secret of a credential; None if it is none."""
    parts = credential.split("_", 2)
    if len(parts) != 3 or parts[0] != PREFIX or not (parts[1] and parts[2]):
        return None
    return parts[1], parts[2]


def secret_hash(secret: str) -> str:
    """Return what is stored of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
