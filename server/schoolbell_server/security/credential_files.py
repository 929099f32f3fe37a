"""Read the key and certificate files that operators put in place, and say what is wrong with one.

A message completes "the file …": it names neither the path, which is the caller's to show or not,
nor anything that the file holds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

MOST_BYTES = 2**20


class CredentialUnusable(ValueError):
    """A credential file cannot be used; the message completes "the file …"."""


@dataclass(frozen=True, slots=True)
class Holds:
    """Marks a setting that names a credential file: how to read it, CredentialUnusable if bad."""

    read: Callable[[Path], object]


def read_file(path: Path) -> bytes:
    """Return what a regular file of at most `MOST_BYTES` holds."""
    try:
        regular = path.is_file()
        data = b""
        if regular:
            with path.open("rb") as file:
                data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise CredentialUnusable(f"cannot be read: {why or type(error).__name__}") from None
    if not regular:
        raise CredentialUnusable("is not a file" if path.exists() else "does not exist")
    if len(data) > MOST_BYTES:
        raise CredentialUnusable(f"is larger than {MOST_BYTES} bytes")
    return data


def private_key(pem: bytes) -> PrivateKeyTypes:
    """Return the private key of a PEM text that has no password."""
    try:
        return serialization.load_pem_private_key(pem, None)
    except TypeError:
        raise CredentialUnusable("is encrypted; a key without a password is needed") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CredentialUnusable("is not PEM: it holds no private key") from None


def certificates(pem: bytes) -> list[x509.Certificate]:
    """Return the certificates of a PEM text, of which there is one at least."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise CredentialUnusable("is not PEM: it holds no certificate") from None


def check_pair(chain: list[x509.Certificate], key: PrivateKeyTypes) -> None:
    """Refuse a key that is not that of the chain's first certificate."""
    try:
        same = key.public_key() == chain[0].public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise CredentialUnusable("holds a certificate with an unknown sort of key") from None
    if not same:
        raise CredentialUnusable("holds a key that is not the certificate's")


def read_signing_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key of an APNs `.p8` file: an elliptic-curve key on P-256."""
    key = private_key(read_file(path))
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CredentialUnusable("holds no elliptic-curve key on P-256, as Apple's are")
    return key


def read_rsa_key(pem: str) -> rsa.RSAPrivateKey:
    """Return the RSA key of a PEM text, as it is in a service account."""
    key = private_key(pem.encode("utf-8", "replace"))
    if not isinstance(key, rsa.RSAPrivateKey):
        raise CredentialUnusable("holds no RSA key")
    return key


def read_private_key(path: Path) -> PrivateKeyTypes:
    """Return the private key of a file in PEM."""
    return private_key(read_file(path))


def read_authority(path: Path) -> bytes:
    """Return the PEM of a file with certificates to trust."""
    pem = read_file(path)
    certificates(pem)
    return pem


def read_identity(path: Path) -> bytes:
    """Return the PEM of a file with a certificate and its private key."""
    pem = read_file(path)
    check_pair(certificates(pem), private_key(pem))
    return pem


def span_of(pem: bytes) -> tuple[dt.datetime, dt.datetime]:
    """Return from when to when the first certificate of a PEM text is good, in UTC."""
    first = certificates(pem)[0]
    return first.not_valid_before_utc, first.not_valid_after_utc
