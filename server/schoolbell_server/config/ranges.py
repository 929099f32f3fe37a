"""How much a setting may say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Range:
    """The least and the most a key may say, both allowed."""

    least: int | timedelta
    most: int | timedelta
