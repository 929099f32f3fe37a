"""Resume tokens: an exclusive position in one store's status log, opaque to clients."""

from __future__ import annotations

import base64
import binascii
import struct
import uuid
from dataclasses import dataclass

_LAYOUT = struct.Struct(">B16sQI")
_VERSION = 1


@dataclass(frozen=True, slots=True, order=True)
class ResumeToken:
    """A position: everything up to `offset` updates into the revision behind `revision` is known.

    `offset` counts the updates of revision + 1 that were already streamed; 0 is none.
    """

    store_id: str
    revision: int
    offset: int = 0


def write_token(token: ResumeToken) -> str:
    """Return a token as text."""
    store = uuid.UUID(token.store_id).bytes
    packed = _LAYOUT.pack(_VERSION, store, token.revision, token.offset)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_token(text: str) -> ResumeToken | None:
    """Return the token that a text is, or None."""
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        version, store, revision, offset = _LAYOUT.unpack(packed)
    except (binascii.Error, struct.error, ValueError):
        return None
    if version != _VERSION:
        return None
    return ResumeToken(str(uuid.UUID(bytes=store)), revision, offset)
