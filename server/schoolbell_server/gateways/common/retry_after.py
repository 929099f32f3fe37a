"""The `Retry-After` header in both of its forms."""

from __future__ import annotations

import datetime as dt
from email.utils import parsedate_to_datetime

MOST = dt.timedelta(hours=6)


def read_retry_after(text: str, now: dt.datetime) -> dt.timedelta | None:
    """Return how long to wait, from 0 to `MOST`; None where the header says nothing sensible."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(dt.timedelta(seconds=min(int(text[:20]), 10**6)), MOST)
    try:
        time = parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    if time.tzinfo is None:
        time = time.replace(tzinfo=dt.UTC)
    return min(max(time - now, dt.timedelta(0)), MOST)
