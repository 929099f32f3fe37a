"""API keys as files and variables hold them: read, or refused in a sentence before any call."""

from __future__ import annotations

import codecs
from pathlib import Path

from schoolbell.targets import BadConnection

_LONGEST_FILE = 64 * 1024  # bytes
_PREFIX = "sb_"
_MARKS = (  # the longer marks first: that of UTF-32 begins as that of UTF-16 does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class InvalidKeyError(BadConnection):
    """What was given as an API key is none; the message says where and why, but not what."""


def read_key(path: Path) -> str:
    """Return the API key that a file holds, in UTF-8 or in what its byte-order mark says.

    Space and line ends around the key do not matter. Raises `InvalidKeyError` where the file
    cannot be read or holds no key.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_LONGEST_FILE + 1)
    except OSError as error:
        raise InvalidKeyError(f"the key file {path} cannot be read: {error.strerror}") from None
    where = f"the key file {path}"
    if len(raw) > _LONGEST_FILE:
        raise InvalidKeyError(f"{where} holds no API key: it is longer than {_LONGEST_FILE} bytes")
    try:
        key = raw.decode(_encoding(raw)).strip()
    except UnicodeDecodeError:
        raise InvalidKeyError(f"{where} holds no API key: it is no text") from None
    if not key:
        raise InvalidKeyError(f"{where} holds no API key: it is empty")
    if not key.startswith(_PREFIX):
        raise InvalidKeyError(f"{where} holds no API key: one begins with {_PREFIX}")
    check_key(key, where)
    return key


def check_key(key: str, where: str) -> None:
    """Raise `InvalidKeyError` for a key that no call can carry; `where` names what holds it."""
    if all("!" <= char <= "~" for char in key):
        return
    lines = len(key.splitlines())
    if lines > 1:
        fault = f"it has {lines} lines"
    elif "\r" in key or "\n" in key:
        fault = "it ends with a line end, perhaps of Windows"
    elif any(char.isspace() for char in key):
        fault = "it has spaces"
    else:
        fault = "it has characters that are not printable ASCII"
    raise InvalidKeyError(f"{where} holds no API key: {fault}; a key is one word, {_PREFIX}…")


def _encoding(raw: bytes) -> str:
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return encoding
    if raw[1::2] and not any(raw[1::2]):  # UTF-16 of ASCII, without its mark
        return "utf-16-le"
    return "utf-16-be" if raw and not any(raw[::2]) else "utf-8"
