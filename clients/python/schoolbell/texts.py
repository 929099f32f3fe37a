"""Texts cut to a length as people read them: whole letters, and a sign that something is gone."""

from __future__ import annotations

import regex

_GRAPHEME = regex.compile(r"\X")
_ELLIPSIS = "…"


def cut(text: str, longest: int) -> str:
    """Return a text of at most so many characters; a longer one ends before a grapheme, in "…"."""
    if len(text) <= longest:
        return text
    end = 0
    for grapheme in _GRAPHEME.finditer(text):
        if grapheme.end() > longest - len(_ELLIPSIS):
            break
        end = grapheme.end()
    return text[:end].rstrip() + _ELLIPSIS
