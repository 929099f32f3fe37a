"""Read JSON that others wrote: bounded in size and nesting, and no value's type is trusted.

Everything that a provider answers or an operator's file holds goes through here, so that an odd
document is a `BadDocument`, or a field that is as good as absent, and never another exception.
"""

from __future__ import annotations

import json
import math
from typing import Any

MOST_BYTES = 64 * 1024
MOST_NESTED = 256
"""Arrays and objects in one document. It bounds the depth too, far below the parser's own limit."""


class BadDocument(ValueError):
    """The text is not a JSON object within the bounds; the message says why and quotes nothing."""


class ForeignObject:
    """A JSON object of unknown shape: every getter answers its own type, or as if nothing were."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def __contains__(self, key: str) -> bool:
        return key in self._fields

    def text(self, key: str) -> str:
        """Return a text; '' where there is none."""
        value = self._fields.get(key)
        return value if isinstance(value, str) else ""

    def whole(self, key: str) -> int | None:
        """Return a whole number; None where there is none."""
        value = self._fields.get(key)
        return value if type(value) is int else None

    def number(self, key: str) -> float | None:
        """Return a finite number; None where there is none."""
        value = self._fields.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None

    def inner(self, key: str) -> ForeignObject | None:
        """Return an object; None where there is none."""
        value = self._fields.get(key)
        return ForeignObject(value) if isinstance(value, dict) else None

    def all_texts(self, key: str) -> list[str] | None:
        """Return a text alone, or the texts of an array that holds nothing else; else None."""
        value = self._fields.get(key)
        texts = [value] if isinstance(value, str) else value
        if isinstance(texts, list) and all(isinstance(one, str) for one in texts):
            return texts
        return None

    def objects(self, key: str) -> list[ForeignObject]:
        """Return the objects of an array; what else it holds is left out."""
        value = self._fields.get(key)
        if not isinstance(value, list):
            return []
        return [ForeignObject(one) for one in value if isinstance(one, dict)]


def read_object(data: bytes) -> ForeignObject:
    """Return the JSON object of a text in UTF-8; BadDocument where it is none, or too large."""
    if len(data) > MOST_BYTES:
        raise BadDocument(f"larger than {MOST_BYTES} bytes")
    if data.count(b"[") + data.count(b"{") > MOST_NESTED:
        raise BadDocument(f"more than {MOST_NESTED} arrays and objects")
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise BadDocument("not JSON") from None
    if not isinstance(document, dict):
        raise BadDocument("not a JSON object")
    return ForeignObject(document)


def object_or_empty(data: bytes) -> ForeignObject:
    """Return the JSON object of a text; an empty one where it is none."""
    try:
        return read_object(data)
    except BadDocument:
        return ForeignObject({})
