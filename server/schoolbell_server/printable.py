"""Texts that others wrote, as a line of a terminal or log."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text on one line, with what does not print as escapes."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
