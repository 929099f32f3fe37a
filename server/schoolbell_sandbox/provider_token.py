"""APNs' provider tokens: ES256 JWTs, verified once per token string."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

RAW_SIGNATURE_BYTES = 64
CACHED_TOKENS = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class ApnsKey:
    """A signing key as Apple knows it."""

    key_id: str
    team_id: str
    public_key: ec.EllipticCurvePublicKey
    account: str = ""
    """Teams of one account may be told apart from those of another."""
    family: str = "team"
    """Keys of different families do not mix on a connection."""
    environment: str = ""
    """`sandbox` or `production`; empty is both."""
    topics: frozenset[str] = frozenset()
    """The bundle ids it may push to; empty is all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderToken:
    """A token whose signature holds."""

    key: ApnsKey
    issue_time: float


class ProviderTokens:
    """Verifies provider tokens; remembers the answer, because a signature costs 100 µs."""

    def __init__(self) -> None:
        self._keys: dict[str, ApnsKey] = {}
        self._verified: dict[bytes, ProviderToken | None] = {}

    def add_key(self, key: ApnsKey) -> None:
        """Let a key sign."""
        self._keys[key.key_id] = key
        self._verified.clear()

    def remove_key(self, key_id: str) -> bool:
        """Revoke a key; return whether it was known."""
        self._verified.clear()
        return self._keys.pop(key_id, None) is not None

    def verify(self, token: bytes) -> ProviderToken | None:
        """Return the token if its form, key and signature hold; its age is not judged here."""
        if token in self._verified:
            return self._verified[token]
        if len(self._verified) >= CACHED_TOKENS:
            self._verified.clear()
        verified = self._verified[token] = self._verify(token)
        return verified

    def _verify(self, token: bytes) -> ProviderToken | None:
        try:
            signed, _, signature = token.rpartition(b".")
            header, claims = (decode_json(part) for part in signed.split(b"."))
            key = self._keys.get(str(header.get("kid")))
            issue_time = float(claims["iat"])
            if key is None or header.get("alg") != "ES256" or claims.get("iss") != key.team_id:
                return None
            der = to_der(decode_base64url(signature))
            key.public_key.verify(der, signed, ec.ECDSA(hashes.SHA256()))
        except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature):
            return None
        return ProviderToken(key=key, issue_time=issue_time)


def to_der(signature: bytes) -> bytes:
    """Return a DER signature; a raw one (R and S side by side, as RFC 7518 says) is converted."""
    if len(signature) != RAW_SIGNATURE_BYTES:
        return signature
    r, s = signature[:32], signature[32:]
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


def decode_base64url(text: bytes) -> bytes:
    """Decode base64url without padding."""
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def decode_json(part: bytes) -> dict[str, Any]:
    """Decode one JSON part of a JWT."""
    value = json.loads(decode_base64url(part))
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value
