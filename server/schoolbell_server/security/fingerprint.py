"""Look device addresses up without storing them readable: a keyed hash.

The same key of the installation, which all servers of a database share, yields further ones.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from schoolbell_server.security.secret_file import read_secret, write_secret


class TokenFingerprints:
    """Fingerprint device addresses under a key of this installation."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def load(cls, folder: Path) -> TokenFingerprints:
        """Read the key of a folder, or make it. It is never rotated: stored rows depend on it."""
        path = folder / "fingerprint.key"
        if not path.exists():
            write_secret(path, secrets.token_bytes(32))
        return cls(read_secret(path))

    def token_fingerprint(self, app_id: str, address: str) -> str:
        """Return 64 hex digits, the same for the same address of the same app."""
        message = f"{len(app_id)}:{app_id}{address}".encode()
        return hmac.digest(self._key, message, hashlib.sha256).hex()

    def derived_key(self, purpose: str) -> bytes:
        """Return a key of 32 bytes for another purpose; nobody learns one of the two by the other.

        Fingerprints are hashed with a length before them, so that no purpose is one of theirs.
        """
        return hmac.digest(self._key, f"key for {purpose}".encode(), hashlib.sha256)
