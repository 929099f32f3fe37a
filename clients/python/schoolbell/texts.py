"""Texts that are cut or quoted, as people read them."""

from __future__ import annotations

import unicodedata

_ELLIPSIS = "…"
_JOINER = "\u200d"
_TURNS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
"""Classes of characters that turn the direction of the text after them."""


def cut(text: str, longest: int) -> str:
    """Return a text of at most so many characters; a longer one ends before a letter, in "…".

    What belongs to one letter or emoji stays together: marks, joiners, skin tones, flags.
    """
    if len(text) <= longest:
        return text
    end = longest - len(_ELLIPSIS)
    while end > 0 and _is_within(text, end):
        end -= 1
    return text[:end].rstrip() + _ELLIPSIS


def readable(text: str) -> str:
    """Return a text with U+FFFD for what would not stay in its line, such as a control."""
    return "".join("\ufffd" if _breaks(char) else char for char in text)


def _is_within(text: str, end: int) -> bool:
    """Return whether a cut at a place would divide what people see as one letter."""
    if text[end - 1] == _JOINER or _continues(text[end]):
        return True
    start = end
    while start > 0 and _is_regional(text[start - 1]):
        start -= 1
    return _is_regional(text[end]) and (end - start) % 2 == 1


def _continues(char: str) -> bool:
    is_skin_tone = "\U0001f3fb" <= char <= "\U0001f3ff"
    return is_skin_tone or unicodedata.category(char) in ("Mn", "Mc", "Me", "Cf")


def _is_regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _breaks(char: str) -> bool:
    """Return whether a character is a control, ends a line, turns the direction, or is none."""
    category = unicodedata.category(char)
    return category in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(char) in _TURNS
