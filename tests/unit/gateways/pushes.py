"""Ready-made pushes."""

from __future__ import annotations

import datetime as dt
from typing import Any

from schoolbell_server.domain.kinds import DetailLevel, Kind
from schoolbell_server.gateways.common.push import Push

NOW = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)


def push(**changes: Any) -> Push:
    """Return a push with everything set."""
    usual: dict[str, Any] = {
        "delivery_id": "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
        "app_id": "parent",
        "address": "ab" * 32,
        "kind": Kind.GRADE,
        "title": "New grade",
        "body": "Open the app.",
        "detail_level": DetailLevel.GENERIC,
        "collapse_key": "c" * 22,
        "expire_time": NOW + dt.timedelta(hours=1),
        "registration_ref": "maple",
    }
    return Push(**{**usual, **changes})
