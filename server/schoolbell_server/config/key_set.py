"""The public keys of an issuer: a JSON Web Key Set, read strictly.

Only what can check a signature is taken: no symmetric key, no private part of one, nothing that is
meant for encryption, and no key too small or too large to be checked with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, cast

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from schoolbell_server.gateways.common.foreign_json import BadDocument, ForeignObject, read_object
from schoolbell_server.security.credential_files import CredentialUnusable, read_file

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

MOST_KEYS = 100
_LONGEST_KID = 256  # characters
_RSA_BITS = range(2048, 8192 + 1)
_LARGEST_EXPONENT = 2**32
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_OF_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
ASYMMETRIC = (*_OF_RSA, *_CURVES, "EdDSA")
"""The algorithms that a token may be signed with."""
_SORTS: dict[str, tuple[tuple[str, ...], Callable[[dict[str, Any]], object]]] = {
    "RSA": (("kty", "n", "e"), RSAAlgorithm.from_jwk),
    "EC": (("kty", "crv", "x", "y"), ECAlgorithm.from_jwk),
    "OKP": (("kty", "crv", "x"), OKPAlgorithm.from_jwk),
}
"""By type: the public members, and what makes a key of them."""


class Missing(Enum):
    """Why there is no key for a token."""

    UNKNOWN = auto()
    AMBIGUOUS = auto()
    """Several that differ have its id."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key, and which signatures it may check."""

    kid: str
    """Its id; empty if it has none."""
    algorithms: frozenset[str]
    public: PublicKey
    digest: bytes
    """The key itself in DER: the same key has the same, whatever it is called."""


class KeySet:
    """The keys of an issuer at one time."""

    def __init__(self, keys: Sequence[VerifyingKey] = ()) -> None:
        self.keys = tuple(keys)
        self._names = frozenset((key.kid, key.digest) for key in keys)

    def find(self, kid: str, algorithm: str) -> VerifyingKey | Missing:
        """Return the one key that a token names; without a `kid`, the one that fits."""
        fitting = {
            key.digest: key
            for key in self.keys
            if algorithm in key.algorithms and (key.kid == kid or not kid)
        }
        if len(fitting) == 1:
            return next(iter(fitting.values()))
        return Missing.AMBIGUOUS if fitting else Missing.UNKNOWN

    def holds(self, key: VerifyingKey) -> bool:
        """Tell whether a key is still one of them, under its name."""
        return (key.kid, key.digest) in self._names


def read_key_set(path: Path) -> KeySet:
    """Return the keys of a file; CredentialUnusable if there are none that can be used."""
    return key_set(read_file(path))


def key_set(data: bytes) -> KeySet:
    """Return the keys of a JSON Web Key Set; CredentialUnusable if there are none to be used.

    What is no key for signatures of `ASYMMETRIC` is passed over, as RFC 7517 wants it.
    """
    try:
        members = read_object(data).objects("keys")
    except BadDocument as error:
        raise CredentialUnusable(f"is no JSON Web Key Set: {error}") from None
    if len(members) > MOST_KEYS:
        raise CredentialUnusable(f"holds more than {MOST_KEYS} keys")
    found = [key for one in members if (key := _key(one)) is not None]
    if not found:
        raise CredentialUnusable("holds no public key that can check a signature")
    return KeySet(found)


def _key(member: ForeignObject) -> VerifyingKey | None:
    sort, kid = _SORTS.get(member.text("kty")), member.text("kid")
    if sort is None or len(kid) > _LONGEST_KID or not _is_for_signatures(member):
        return None
    names, make = sort
    try:
        public = make({name: member.text(name) for name in names})
        algorithms = _algorithms(public)
        if not algorithms:
            return None
        digest = cast(PublicKey, public).public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, UnsupportedAlgorithm):
        return None
    if "alg" in member:
        algorithms &= {member.text("alg")}
    return VerifyingKey(kid, algorithms, cast(PublicKey, public), digest) if algorithms else None


def _is_for_signatures(member: ForeignObject) -> bool:
    if "use" in member and member.text("use") != "sig":
        return False
    return "key_ops" not in member or "verify" in (member.all_texts("key_ops") or ())


def _algorithms(public: object) -> frozenset[str]:
    """Return the algorithms that a key can check; none where it is not of a kind to be used."""
    if isinstance(public, rsa.RSAPublicKey):
        sound = public.key_size in _RSA_BITS and public.public_numbers().e < _LARGEST_EXPONENT
        return frozenset(_OF_RSA) if sound else frozenset()
    if isinstance(public, ec.EllipticCurvePublicKey):
        return frozenset(one for one, name in _CURVES.items() if public.curve.name == name)
    return frozenset({"EdDSA"} if isinstance(public, ed25519.Ed25519PublicKey) else ())
