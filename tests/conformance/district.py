"""The district of a scenario, and the variables that stand for what is in it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from schoolbell_server.testing import CALENDAR, FATHER, MOTHER, SIBLING, STUDENT
from schoolbell_server.testing.district import set_up as set_up_district
from tests.conformance.server import Server
from tests.conformance.values import timestamp


async def set_up(server: Server, district_id: str) -> dict[str, Any]:
    """Make the district and return the variables of its scenario."""
    keys = await set_up_district(server.connection, district_id)
    now = dt.datetime.now(dt.UTC)
    return {
        "district": district_id,
        "student": STUDENT,
        "sibling": SIBLING,
        "mother": MOTHER,
        "father": FATHER,
        "stranger": "student-of-nobody",
        "calendar": CALENDAR,
        "now": timestamp(now),
        "today": now.date().isoformat(),
        "key_operator": server.connection().key,
        **{f"key_{role}": key for role, key in keys.items()},
    }
