"""Texts that others wrote, made fit to be shown: one line, no hidden characters, whole letters."""

from __future__ import annotations

import regex

ELLIPSIS = "…"
_GRAPHEME = regex.compile(r"\X")
_BREAK = regex.compile(r"[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{NChar}]")
"""Controls, line ends, and what has no meaning outside of one program."""
_JOINED = r"[\p{L}\p{M}\p{So}\p{Sk}\p{Extended_Pictographic}]"
_FORMAT = regex.compile(
    r"(\U0001F3F4[\U000E0020-\U000E007E]+\U000E007F"  # the flag of a region, such as Scotland
    rf"|(?<={_JOINED})[\u200c\u200d](?={_JOINED})"
    r"|(?<=\p{ccc=9})\u200d)"  # after a virama a joiner shapes the letter before, in Malayalam
    r"|\p{Cf}"
)
"""Format characters; the group holds those that letters and emoji need."""


def clean(text: str, longest: int | None = None) -> str:
    """Return a text as one line without hidden characters, of at most so many characters.

    Controls and line ends become a space. Of format characters, joiners stay between letters and
    emoji, tags stay in flags, and the others, such as those that turn the direction, vanish.
    """
    if not text.isprintable():
        text = _FORMAT.sub(r"\1", _BREAK.sub(" ", text))
    line = " ".join(text.split())
    return line if longest is None else cut(line, longest)


def cut(text: str, longest: int) -> str:
    """Return a text of at most so many characters; a longer one ends before a grapheme, in "…"."""
    if len(text) <= longest:
        return text
    fitting = (end for end in grapheme_ends(text[:longest]) if end < longest)
    return shortened(text, max(fitting, default=0))


def shortened(text: str, end: int) -> str:
    """Return the first `end` characters of a text, with the sign that more was there."""
    return text[:end].rstrip() + ELLIPSIS


def grapheme_ends(text: str) -> list[int]:
    """Return where each grapheme of a text ends: what a reader takes for one character."""
    return [grapheme.end() for grapheme in _GRAPHEME.finditer(text)]
