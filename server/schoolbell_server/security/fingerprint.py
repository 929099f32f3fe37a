"""Look device addresses up without storing them readable: a keyed hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from schoolbell_server.security.secret_file import read_secret, write_secret


def read_key(folder: Path) -> bytes:
    """Read the key of a folder, or make it."""
    path = folder / "fingerprint.key"
    if not path.exists():
        write_secret(path, secrets.token_bytes(32))
    return read_secret(path)


class TokenFingerprints:
    """Fingerprint device addresses under a key of this installation."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def load(cls, folder: Path) -> TokenFingerprints:
        """Read the key of a folder, or make it. It is never rotated: stored rows depend on it."""
        return cls(read_key(folder))

    def derive(self, purpose: str) -> bytes:
        """Return a secret of this installation for another purpose, 32 bytes."""
        return hmac.digest(self._key, f"derive:{purpose}".encode(), hashlib.sha256)

    def token_fingerprint(self, app_id: str, address: str) -> str:
        """Return 64 hex digits, the same for the same address of the same app."""
        message = f"{len(app_id)}:{app_id}{address}".encode()
        return hmac.digest(self._key, message, hashlib.sha256).hex()
