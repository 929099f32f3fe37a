"""API keys for storage tests."""

from __future__ import annotations

import datetime as dt

from schoolbell_server.security.api_key import Role
from schoolbell_storage.keys import ApiKeyRow

NOW = dt.datetime(2026, 9, 1, 8, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def key(key_id: str, **fields: object) -> ApiKeyRow:
    """Return a key of a publisher that ends in a day."""
    values: dict[str, object] = {
        "district_ids": ("maple",),
        "role": int(Role.PUBLISHER),
        "user_id": "",
        "secret_tail": "cdef",
        "sources": ("lunch", "sis"),
        "display_name": "SIS",
        "secret_hash": "hash",
        "create_time": NOW,
        "creator": "ada",
        "expire_time": NOW + DAY,
    }
    return ApiKeyRow(key_id=key_id, **(values | fields))  # type: ignore[arg-type]
