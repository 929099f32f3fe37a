"""Print what others named so that it cannot move a cursor, hide, or look like another line."""

from __future__ import annotations

import re
import unicodedata

import click

_ASCII = re.compile(r"[ -~]*")
_JOINERS = frozenset({0x200C, 0x200D, *range(0xE0020, 0xE0080)})
"""Part of how names and emoji are written: they stay."""
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def escape(text: str) -> str:
    """Return a text on one line, with control and format characters as escapes."""
    if _ASCII.fullmatch(text):
        return text
    return "".join(_escaped(letter) if _is_unseen(letter) else letter for letter in text)


def escape_json(text: str) -> str:
    r"""Return a JSON text of the same meaning with `\u` escapes for what is not seen.

    Line ends and the like between values stay: inside of strings JSON escapes them already.
    """
    return "".join(
        _utf16(letter) if letter >= "\x7f" and _is_unseen(letter) else letter for letter in text
    )


def say(text: str, *, err: bool = False) -> None:
    """Print one line."""
    click.echo(escape(text), err=err)


def _is_unseen(letter: str) -> bool:
    return unicodedata.category(letter) in _UNSEEN and ord(letter) not in _JOINERS


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def _utf16(letter: str) -> str:
    raw = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{raw[at]:02x}{raw[at + 1]:02x}" for at in range(0, len(raw), 2))
