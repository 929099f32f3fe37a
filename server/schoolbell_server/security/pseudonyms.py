"""What stands in the audit log for a person whose data were erased.

A keyed hash: the same person of a district has the same pseudonym everywhere, nobody can turn it
into the id, and the operator, who holds the key, finds it for an id that is at hand.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from schoolbell_server.security.fingerprint import read_key

PREFIX = "erased-"
_PURPOSE = b"audit pseudonym"
_LENGTH = 16  # bytes


class Pseudonyms:
    """Makes pseudonyms under a key of this installation."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, _PURPOSE, hashlib.sha256)

    @classmethod
    def load(cls, folder: Path) -> Pseudonyms:
        """Derive the key from that of the token fingerprints, which is never rotated either."""
        return cls(read_key(folder))

    def of(self, district_id: str, user_id: str) -> str:
        """Return a person's pseudonym: `erased-` and 32 hex digits."""
        message = f"{len(district_id)}:{district_id}{user_id}".encode()
        return PREFIX + hmac.digest(self._key, message, hashlib.sha256)[:_LENGTH].hex()
