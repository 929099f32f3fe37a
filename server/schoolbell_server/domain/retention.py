"""How long what a district knows is kept, beyond what it chose itself.

Change keys and facts are what keeps a family from being told twice: they outlive every change that
they protect.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from schoolbell_server.domain.kinds import Kind
from schoolbell_server.domain.kinds.registry import PAYLOADS

KEY_LIFE = dt.timedelta(days=35)
"""The least that a change key lives; longer than the longest time to live plus the longest hold."""
PASSING_LIFE = dt.timedelta(days=35)
"""What a fact about one day lives, from when it was last spoken of."""
AFTER_YEAR = dt.timedelta(days=90)
"""What a fact of the school year lives beyond its end."""


def key_life(changes: dt.timedelta) -> dt.timedelta:
    """Return how long change keys live where changes are kept for `changes`.

    A key never goes before its change: the change would stand in the way of its successor.
    """
    return max(KEY_LIFE, changes)


def first_day_kept(kind: Kind, today: dt.date, year_ends: Iterable[dt.date]) -> dt.date | None:
    """Return the day before which a fact of a kind must have been last spoken of, to go.

    `year_ends` are the last days of the school years up to the active one. None keeps all.
    """
    if PAYLOADS[kind].of_one_day:
        return today - PASSING_LIFE
    over = [end for end in year_ends if end + AFTER_YEAR < today]
    return max(over) + dt.timedelta(days=1) if over else None
