"""Seal contents for a hub's key, so that the broker between cannot read them.

X25519 with a fresh key for each message, HKDF-SHA256 over both public keys, ChaCha20-Poly1305. The
district is authenticated with it: what was sealed in one district's name opens in no other's.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from schoolbell_server.security.secret_file import SecretExposed, read_secret, write_secret

_INFO = b"schoolbell.link.v1 contents"
_NONCE = bytes(12)
"""Every message has a key of its own, so the nonce may be the same."""
_READ_AGAIN = 5.0
"""Seconds, at least, between two looks for a key that is not known: anybody may name one."""


class SealKeyUnusable(ValueError):
    """A text is no key; the message completes "hub_key: "."""


class CannotOpen(Exception):
    """What is sealed was sealed for another key or district, or was changed."""


class Sealed(NamedTuple):
    """What was sealed, as `SealedContents` holds it."""

    key_id: bytes
    public_key: bytes
    ciphertext: bytes


def read_public_key(text: str) -> X25519PublicKey:
    """Return the public key of a text as `show_public_key` gives it."""
    try:
        return X25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error):
        raise SealKeyUnusable("must be the 44 characters that `hub enroll` printed") from None


def show_public_key(key: X25519PublicKey) -> str:
    """Return a public key as 44 characters of base64."""
    return base64.b64encode(key.public_bytes_raw()).decode()


def seal(data: bytes, key: X25519PublicKey, district: str) -> Sealed:
    """Seal for the holder of a key, in a district's name."""
    fresh = X25519PrivateKey.generate()
    public = fresh.public_key().public_bytes_raw()
    cipher = _cipher(fresh.exchange(key), public, key.public_bytes_raw())
    return Sealed(_key_id(key), public, cipher.encrypt(_NONCE, data, district.encode()))


class HubKeys:
    """The private keys of a hub, in files of a folder: the newest is what districts are given."""

    def __init__(self, folder: Path, report: Callable[[str], None] = lambda _: None) -> None:
        """Read the keys `hub*.key`; make one where none is.

        SecretExposed where others may read one; ValueError where a file holds no key. `report` is
        told why a file that comes later cannot be read.
        """
        self._folder = folder
        self._report = report
        self._read_again = 0.0
        files = self._files()
        if not files:
            files = [folder / "hub-1.key"]
            write_secret(files[0], X25519PrivateKey.generate().private_bytes_raw())
        self._keys = _read_keys(files)

    def _files(self) -> list[Path]:
        """Return the files, the newest first: `hub-10.key` before `hub-9.key`."""
        files = self._folder.glob("hub*.key")
        return sorted(files, key=lambda file: (len(file.name), file.name), reverse=True)

    def _key(self, key_id: bytes) -> X25519PrivateKey | None:
        """Return a key; one that is not known may have come to the folder since, now and then."""
        if key_id not in self._keys and time.monotonic() >= self._read_again:
            self._read_again = time.monotonic() + _READ_AGAIN
            try:
                self._keys |= _read_keys(self._files())
            except (OSError, SecretExposed, ValueError) as error:
                self._report(str(error))
        return self._keys.get(key_id)

    @property
    def public_key(self) -> str:
        """Return the key that districts are given."""
        return show_public_key(next(iter(self._keys.values())).public_key())

    def open(self, sealed: Sealed, district: str) -> bytes:
        """Return what was sealed in a district's name; CannotOpen where that is not so."""
        key = self._key(sealed.key_id)
        if key is None:
            raise CannotOpen("sealed for another key")
        try:
            shared = key.exchange(X25519PublicKey.from_public_bytes(sealed.public_key))
            cipher = _cipher(shared, sealed.public_key, key.public_key().public_bytes_raw())
            return cipher.decrypt(_NONCE, sealed.ciphertext, district.encode())
        except (InvalidTag, ValueError):
            raise CannotOpen("sealed in another district's name, or changed") from None


def _read_keys(files: Iterable[Path]) -> dict[bytes, X25519PrivateKey]:
    keys = [X25519PrivateKey.from_private_bytes(read_secret(file)) for file in files]
    return {_key_id(key.public_key()): key for key in keys}


def _cipher(shared: bytes, fresh: bytes, hub: bytes) -> ChaCha20Poly1305:
    derived = HKDF(hashes.SHA256(), 32, salt=fresh + hub, info=_INFO).derive(shared)
    return ChaCha20Poly1305(derived)


def _key_id(key: X25519PublicKey) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(key.public_bytes_raw())
    return digest.finalize()[:8]
