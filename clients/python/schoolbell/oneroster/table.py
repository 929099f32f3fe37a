"""One CSV file, row by row, whatever its column order.

A file that is not such a table stops the reading. Cells that a row lacks at its end are empty,
empty ones beyond the header are nothing; a row with a filled cell there is shifted, so it is
reported and left out. Bytes that are not UTF-8 are reported and shown as U+FFFD, which no id may
hold.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TextIO

from schoolbell.oneroster.problems import ProblemLog, unusable

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_NULLS = frozenset({"\\N", "NULL", "null", "(NULL)", "(null)", "<NULL>", "<null>"})
"""What databases write for nothing. "Null" is left alone: it is a family name."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row: the file and line it starts on, and its cells by column, stripped."""

    file: str
    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        """Return a cell; a column that the file does not have reads as empty."""
        return self.cells.get(column, "")

    def has(self, column: str) -> bool:
        """Return whether the row's file has a column."""
        return column in self.cells


def rows(path: Path, required: Sequence[str], problems: ProblemLog) -> Iterator[Row]:
    """Yield the rows of a file that must have the required columns.

    Raises `UnusableRosterError` where the file is missing or is no such table.
    """
    try:
        with path.open("rb") as raw:
            if raw.read(2) in UTF16_MARKS:
                raise unusable(path.name, None, None, "is UTF-16; save it as UTF-8")
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
            yield from _table_rows(path.name, text, required, problems)
    except OSError as error:
        raise unusable(path.name, None, None, f"cannot be read: {error.strerror}") from error


def _table_rows(
    file: str, text: TextIO, required: Sequence[str], problems: ProblemLog
) -> Iterator[Row]:
    reader = csv.reader(text, strict=True)
    line = 1
    try:
        header = _header(file, next(reader, []), required)
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                problems.add_row(file)
            if any(cell.strip() for cell in cells[len(header) :]):
                counts = f"has {len(cells)} cells where the header has {len(header)}"
                problems.add(file, line, None, f"{counts}; left out")
            elif cells:
                yield Row(file, line, _clean(file, line, header, cells, problems))
            line = reader.line_num + 1
    except csv.Error as error:
        raise unusable(file, line, None, f"is not CSV: {error}") from error


def _header(file: str, cells: list[str], required: Sequence[str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    for column in header:
        if column and header.count(column) > 1:
            raise unusable(file, 1, column, "appears twice in the header")
    missing = [column for column in required if column not in header]
    if missing:
        shown = ", ".join(column for column in header if column in required) or "none of these"
        text = f"missing in the header, which has {shown} of the needed columns"
        raise unusable(file, 1, ", ".join(missing), text)
    return header


def _clean(
    file: str, line: int, header: list[str], cells: list[str], problems: ProblemLog
) -> dict[str, str]:
    row = {column: _bare(cell) for column, cell in zip_longest(header, cells[: len(header)])}
    text = "".join(cells)
    if not text.isascii() or "\0" in text:
        for column, cell in row.items():
            sound = cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            sound = sound.replace("\0", "\ufffd")
            if sound != cell:
                problems.add(file, line, column, "is not UTF-8 text")
                row[column] = sound
    return row


def _bare(cell: str | None) -> str:
    bare = (cell or "").strip()
    return "" if bare in _NULLS else bare


def split_ids(cell: str) -> list[str]:
    """Return the ids of a cell that holds a list of them."""
    return [each.strip() for each in cell.split(",") if each.strip()]
