"""Secrets at rest: AES-256-GCM under a key file that is not in the database.

A sealed value is version (1 byte), key number (4), nonce (12), then ciphertext and tag. The header
and the caller's associated data are authenticated, so a value cannot be moved to another row.
"""

from __future__ import annotations

import secrets
import struct
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schoolbell_server.security.secret_file import read_secret, write_secret

_HEADER = struct.Struct(">BI")
_VERSION = 1
_NONCE_SIZE = 12
_KEY_SIZE = 32


class SealBroken(Exception):
    """A sealed value was damaged, moved, or sealed under a key that is not there."""


class Sealer:
    """Seal and unseal small secrets; the newest key seals, every key unseals."""

    def __init__(self, keys: dict[int, AESGCM]) -> None:
        self._keys = keys
        self._current = max(keys)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the keys of a folder; the first is made if there is none."""
        files = sorted(folder.glob("seal-*.key"))
        if not files:
            files = [_new_key(folder, 1)]
        return cls({_number(file): _cipher(read_secret(file)) for file in files})

    def seal(self, secret: bytes, associated: bytes) -> bytes:
        """Return the secret sealed to what it belongs to."""
        header, nonce = _HEADER.pack(_VERSION, self._current), secrets.token_bytes(_NONCE_SIZE)
        sealed = self._keys[self._current].encrypt(nonce, secret, header + associated)
        return header + nonce + sealed

    def unseal(self, sealed: bytes, associated: bytes) -> bytes:
        """Return the secret; SealBroken if it is not whole or belongs to something else."""
        header, rest = sealed[: _HEADER.size], sealed[_HEADER.size :]
        cipher = self._keys.get(_key_number(sealed))
        if cipher is None or len(rest) < _NONCE_SIZE:
            raise SealBroken("sealed under no key that is here")
        try:
            return cipher.decrypt(rest[:_NONCE_SIZE], rest[_NONCE_SIZE:], header + associated)
        except InvalidTag:
            raise SealBroken("damaged, or sealed to something else") from None


def _key_number(sealed: bytes) -> int:
    """Return the number of the key that sealed it; 0, which no key has, if that is unreadable."""
    if len(sealed) < _HEADER.size:
        return 0
    version, number = _HEADER.unpack_from(sealed)
    return int(number) if version == _VERSION else 0


def _new_key(folder: Path, number: int) -> Path:
    path = folder / f"seal-{number:08d}.key"
    write_secret(path, secrets.token_bytes(_KEY_SIZE))
    return path


def _number(file: Path) -> int:
    return int(file.stem.removeprefix("seal-"))


def _cipher(key: bytes) -> AESGCM:
    if len(key) != _KEY_SIZE:
        raise SealBroken("a sealing key must have 32 bytes")
    return AESGCM(key)
