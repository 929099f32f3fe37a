"""Compact JSON, as facts, keys and records are stored: no space, texts as they are.

A number is stored as the text of its decimal: nothing is lost on the way.
"""

from __future__ import annotations

import json
from decimal import Decimal

# `json.dumps` with options of its own makes an encoder on every call.
encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def number_text(number: Decimal | None) -> str | None:
    """Return how a number is stored that may be absent."""
    return None if number is None else str(number)


def number_of(text: str | None) -> Decimal | None:
    """Return the number that `number_text` wrote."""
    return None if text is None else Decimal(text)
