"""What providers say, made fit to be stored, logged and shown."""

from __future__ import annotations

LONGEST_ID = 200  # characters
_LONGEST = 64  # characters


def word(value: object, longest: int = _LONGEST) -> str:
    """Return a text of a provider as printable ASCII, cut; '' where it is no text.

    A proxy may answer anything, and a text that no database takes must not hold up a batch.
    """
    if not isinstance(value, str):
        return ""
    if value.isascii() and value.isprintable():
        return value[:longest]
    return "".join(letter if " " <= letter <= "~" else "?" for letter in value[:longest])
