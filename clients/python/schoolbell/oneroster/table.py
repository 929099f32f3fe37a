"""One CSV file, row by row, whatever its column order.

A file that is not such a table stops the reading. Cells that a row lacks at its end are empty,
empty ones beyond the header are nothing; a row with a filled cell there is shifted, so it is
reported and left out. Columns are found by their names in any case, whatever marks nobody sees
surround them: one that was overlooked would say nothing, such as of who is barred. Bytes that are
not UTF-8 are reported and shown as U+FFFD, which no id may hold.
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
_MOST_LINE = 1 << 20
"""Characters: what is longer is no line of a table, and is not read into memory."""
_MOST_SHOWN = 60  # characters
_OWN = "metadata."
"""How the names of columns begin that an SIS adds for itself, and that nobody reads here."""
_NULLS = frozenset({"\\N", "NULL", "null", "(NULL)", "(null)", "<NULL>", "<null>"})
"""What databases write for nothing. "Null" is left alone: it is a family name."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row: the file and line it starts on, and its cells by column in lower case, stripped."""

    file: str
    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        """Return a cell; a column that the file does not have reads as empty."""
        return self.cells.get(column.lower(), "")

    def has(self, column: str) -> bool:
        """Return whether the row's file has a column."""
        return column.lower() in self.cells


def rows(path: Path, required: Sequence[str], problems: ProblemLog) -> Iterator[Row]:
    """Yield the rows of a file that must have the required columns.

    Raises `UnusableRosterError` where the file is missing or is no such table.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            # A pipe may never end, and what is read once cannot be read again.
            raise unusable(path.name, None, None, "is not a regular file")
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
    reader = csv.reader(_lines(file, text), strict=True)
    line = 1
    try:
        header = _header(file, reader, required)
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


def _lines(file: str, text: TextIO) -> Iterator[str]:
    for number, line in enumerate(iter(lambda: text.readline(_MOST_LINE), ""), start=1):
        if len(line) == _MOST_LINE:
            raise unusable(file, number, None, f"is longer than {_MOST_LINE} characters")
        yield line


def _header(file: str, reader: Iterator[list[str]], required: Sequence[str]) -> list[str]:
    """Return the names of the columns: the first line that is not empty."""
    cells = next((cells for cells in reader if any(cell.strip() for cell in cells)), [])
    if any("\0" in cell for cell in cells):
        raise unusable(file, 1, None, "is not UTF-8 text; save it as UTF-8")
    header = [_column_name(cell) for cell in cells]
    known = [column.lower() for column in header]
    for column in header:
        is_own = column.lower().startswith(_OWN) and header.count(column) == 1
        if column and known.count(column.lower()) > 1 and not is_own:
            raise unusable(file, 1, column, "appears twice in the header")
    missing = [column for column in required if column.lower() not in known]
    if missing:
        start = ",".join(cells)[:_MOST_SHOWN].encode("utf-8", "replace").decode()
        text = f"missing in the header, which {f'reads {start!r}' if start else 'is empty'}"
        raise unusable(file, 1, ", ".join(missing), text)
    return header


def _column_name(cell: str) -> str:
    """Return the name of a column without marks that nobody sees."""
    return "".join(each for each in cell if each.isprintable()).strip()


def _clean(
    file: str, line: int, header: list[str], cells: list[str], problems: ProblemLog
) -> dict[str, str]:
    pairs = zip_longest(header, cells[: len(header)])
    row = {column.lower(): _bare(cell) for column, cell in pairs}
    text = "".join(cells)
    if not text.isascii() or "\0" in text:
        for column in header:
            cell = row[column.lower()]
            sound = cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            sound = sound.replace("\0", "\ufffd")
            if sound != cell:
                problems.add(file, line, column, "is not UTF-8 text")
                row[column.lower()] = sound
    return row


def _bare(cell: str | None) -> str:
    bare = (cell or "").strip()
    return "" if bare in _NULLS else bare


def split_ids(cell: str) -> list[str]:
    """Return the ids of a cell that holds a list of them."""
    return [each.strip() for each in cell.split(",") if each.strip()]
