"""Files that commands read: JSON of a message, `-` for stdin."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import click
from google.protobuf.message import Message

from schoolbell.cli.failing import Failed
from schoolbell.proto_json import BadJson, parse

Read = TypeVar("Read", bound=Message)

FILE = click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)
_STDIN = "-"


def read_message(file: Path, message: Read) -> Read:
    """Read a file, or stdin for `-`, as the JSON of a message; Failed says what is wrong."""
    where = "stdin" if str(file) == _STDIN else str(file)
    try:
        with click.open_file(str(file), encoding="utf-8-sig") as opened:
            return parse(opened.read(), message)
    except UnicodeDecodeError as error:
        raise Failed(f"{where} is not UTF-8 at byte {error.start + 1}") from None
    except BadJson as error:
        raise Failed(f"{where}: {error}") from None


@contextmanager
def as_file(file: Path) -> Iterator[Path]:
    """Return a file that can be read twice: what comes on stdin is kept for the while."""
    if str(file) != _STDIN:
        yield file
        return
    with TemporaryDirectory() as folder:
        kept = Path(folder) / "stdin"
        with kept.open("wb") as copy:
            while data := sys.stdin.buffer.read(1 << 20):
                copy.write(data)
        yield kept
