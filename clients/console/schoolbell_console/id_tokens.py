"""Check an ID token: that the provider made it, for this console, in answer to this sign-in."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from typing import Any

import jwt

_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}
_ALGORITHMS = tuple(f"{sort}{size}" for sort in ("RS", "PS", "ES") for size in _HASHES)
_LEEWAY = 30  # seconds


class BadIdToken(Exception):
    """An ID token is not good for this sign-in."""


def check_id_token(
    text: str,
    key_set: dict[str, Any],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: str,
) -> None:
    """Raise BadIdToken unless everything that OpenID Connect wants of an ID token is so."""
    try:
        header = jwt.get_unverified_header(text)
        algorithm = header.get("alg")
        if algorithm not in _ALGORITHMS:
            raise BadIdToken("its algorithm is not one of a public key")
        claims = jwt.decode(
            text,
            _key(key_set, header.get("kid"), algorithm),
            algorithms=[algorithm],
            audience=client_id,
            issuer=issuer,
            leeway=_LEEWAY,
            options={"require": ["exp", "iat", "iss", "aud", "sub", "nonce"]},
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise BadIdToken(type(error).__name__) from None
    if not _same(claims["nonce"], nonce):
        raise BadIdToken("its nonce is another's")
    if claims.get("azp", client_id) != client_id:
        raise BadIdToken("it was made for another party")
    if "at_hash" in claims and not _same(claims["at_hash"], _hash(access_token, algorithm)):
        raise BadIdToken("the access token is not its own")


def _key(key_set: dict[str, Any], kid: Any, algorithm: str) -> Any:
    """Return the one public key that may have signed with an algorithm under a name."""
    wanted = "EC" if algorithm.startswith("ES") else "RSA"
    found = [
        key.key
        for key in jwt.PyJWKSet.from_dict(key_set).keys
        if key.key_type == wanted
        and key.public_key_use in (None, "sig")
        and (kid is None or key.key_id == kid)
    ]
    if len(found) != 1:
        raise BadIdToken("no key, or more than one, is its own")
    return found[0]


def _hash(access_token: str, algorithm: str) -> str:
    digest = _HASHES[algorithm[2:]](access_token.encode()).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def _same(one: Any, other: str) -> bool:
    return isinstance(one, str) and hmac.compare_digest(one.encode(), other.encode())
