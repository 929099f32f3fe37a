"""The identity of what one person is told of one change, on however many devices.

It is derived, not stored: a UUID of version 8 (RFC 9562) that begins with the time at which the
deliveries were written, so that a user's deliveries of that time are all that has to be looked
through to find it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from functools import lru_cache

from schoolbell_server.domain import compact
from schoolbell_server.domain.change import ChangeKey

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
_HASH_BITS = 80
_REMEMBERED = 16_384
"""Identities: each is asked for by every device of its person, three times within seconds."""


@lru_cache(maxsize=_REMEMBERED)
def notification_id(
    district_id: str, key: ChangeKey, user_id: str, create_time: dt.datetime
) -> str:
    """Return the UUID of what a person is told of a change."""
    named = compact.encode([district_id, key.source, key.change_id, user_id])
    digest = hashlib.blake2b(named.encode(), digest_size=_HASH_BITS // 8).digest()
    millis = (create_time - _EPOCH) // _MILLISECOND
    whole = millis << _HASH_BITS | int.from_bytes(digest)
    marked = whole & ~(0xF << 76) & ~(0b11 << 62) | 8 << 76 | 0b10 << 62
    return str(uuid.UUID(int=marked))


def written_at(text: str) -> tuple[dt.datetime, dt.datetime] | None:
    """Return from when until when the deliveries of a notification were written.

    None for what is no id of a notification, and for times that no calendar has.
    """
    try:
        found = uuid.UUID(text)
        start = _EPOCH + (found.int >> _HASH_BITS) * _MILLISECOND
        return start, start + _MILLISECOND
    except (ValueError, OverflowError):
        return None
