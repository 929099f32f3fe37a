"""Read a feed line by line; a bad line is reported by its number and stops nothing."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from google.protobuf import json_format

from schoolbell.v1.change_pb2 import Change

LONGEST_LINE = 64 * 1024  # bytes
_GZIP = b"\x1f\x8b"
_LONGEST_TEXT = 200  # characters of a complaint


@dataclass(frozen=True, slots=True)
class Line:
    """A change and the number of its line, from 1."""

    number: int
    change: Change


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no change, and why not; the text quotes nothing personal but field names."""

    number: int
    text: str


def read(path: Path, source: str) -> Iterator[Line | BadLine]:
    """Yield every line of a feed but empty ones.

    A line without a key gets `source` and the SHA-256 of the line as its change_id, so that the
    same file can be published again without doubling anything.
    """
    with _open(path) as file:
        number = 0
        while raw := file.readline(LONGEST_LINE + 1):
            number += 1
            if len(raw) > LONGEST_LINE:
                _skip_rest(file, raw)
                yield BadLine(number, f"is longer than {LONGEST_LINE} bytes")
            elif stripped := raw.strip():
                yield _parse(number, stripped, source)


def _parse(number: int, raw: bytes, source: str) -> Line | BadLine:
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        return BadLine(number, f"is not UTF-8 at byte {error.start + 1}")
    change = Change()
    try:
        json_format.Parse(text, change)
    except json_format.ParseError as error:
        return BadLine(number, _first_line(error))
    if not change.key.change_id:
        change.key.change_id = hashlib.sha256(raw).hexdigest()
    if not change.key.source:
        change.key.source = source
    return Line(number, change)


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines() or ["is not a change"]
    return lines[0][:_LONGEST_TEXT]


def _skip_rest(file: IO[bytes], raw: bytes) -> None:
    while raw and not raw.endswith(b"\n"):
        raw = file.readline(LONGEST_LINE)


def _open(path: Path) -> IO[bytes]:
    """Open a plain or gzip file, told apart by its first bytes."""
    with path.open("rb") as probe:
        packed = probe.read(2) == _GZIP
    if packed:
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")
