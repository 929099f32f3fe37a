"""Read a feed line by line; a bad line is reported by its number and stops nothing."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from schoolbell.proto_json import BadJson, parse
from schoolbell.texts import cut, readable
from schoolbell.v1.change_pb2 import Change

LONGEST_LINE = 64 * 1024  # bytes
_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONGEST_TEXT = 300  # characters of a complaint


@dataclass(frozen=True, slots=True)
class Line:
    """A change and the number of its line, from 1."""

    number: int
    change: Change


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no change, and why not: for the publisher's eyes, it may quote the line."""

    number: int
    text: str


def read(path: Path, source: str) -> Iterator[Line | BadLine]:
    """Yield every line of a feed but empty ones.

    A line without a key gets `source` and the SHA-256 of the line as its change_id, so that the
    same file can be published again without doubling anything. Damaged gzip data end the feed
    with a bad line.
    """
    for number, raw in _lines(path):
        if isinstance(raw, str):
            yield BadLine(number, raw)
        elif len(raw) > LONGEST_LINE:
            yield BadLine(number, f"is longer than {LONGEST_LINE} bytes")
        else:
            yield _parse(number, raw, source)


def count(path: Path) -> int:
    """Return how many lines `read` yields, without parsing them."""
    return sum(1 for _ in _lines(path))


def _lines(path: Path) -> Iterator[tuple[int, bytes | str]]:
    """Yield number and bytes of each line; an overlong one is cut, damage is told in words."""
    number = 0
    with _open(path) as file:
        try:
            while raw := file.readline(LONGEST_LINE + 1):
                number += 1
                _skip_rest(file, raw)
                bare = raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw
                if stripped := bare.strip() if len(raw) <= LONGEST_LINE else raw:
                    yield number, stripped
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            yield number + 1, f"and all after it cannot be read, the gzip data are damaged: {error}"


def _parse(number: int, raw: bytes, source: str) -> Line | BadLine:
    change = Change()
    try:
        parse(raw.decode("utf-8"), change)
    except UnicodeDecodeError as error:
        return BadLine(number, f"is not UTF-8 at byte {error.start + 1}")
    except BadJson as error:
        return BadLine(number, readable(cut(str(error), _LONGEST_TEXT)))
    if not change.key.change_id:
        change.key.change_id = hashlib.sha256(raw).hexdigest()
    if not change.key.source:
        change.key.source = source
    return Line(number, change)


def _skip_rest(file: IO[bytes], raw: bytes) -> None:
    while len(raw) > LONGEST_LINE and not raw.endswith(b"\n"):
        raw = file.readline(LONGEST_LINE + 1)


def _open(path: Path) -> IO[bytes]:
    """Open a plain or gzip file, told apart by its first bytes."""
    with path.open("rb") as probe:
        packed = probe.read(2) == _GZIP
    if packed:
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")
