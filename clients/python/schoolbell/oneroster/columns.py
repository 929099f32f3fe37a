"""Reads the cells of typed columns, and notices columns that hold something else.

One bad cell is a problem of its row. A column of which no cell fits is not: its file has
swapped or shifted columns, and stops the reading before it can empty a district.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Container
from typing import Generic, TypeVar

from schoolbell.oneroster.problems import ProblemLog, unusable
from schoolbell.oneroster.table import Row

T = TypeVar("T")

ENOUGH_CELLS = 3
"""From so many cells on, a column of which none fits is taken for another column."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_YES = frozenset({"true", "1", "yes"})
_NO = frozenset({"false", "0", "no"})
_ID_LENGTH = 128
_FIRST_YEAR, _LAST_YEAR = 1900, 2200


class Column(Generic[T]):
    """Parses one column of one file; a cell that does not fit is reported and reads as None."""

    def __init__(
        self, problems: ProblemLog, name: str, parse: Callable[[str], T | None], what: str
    ) -> None:
        """Read cells of column `name` by `parse`, which answers None to what is not a `what`."""
        self.name = name
        self._problems = problems
        self._parse = parse
        self._what = what
        self._first_bad: tuple[Row, str] | None = None
        self._bad = 0
        self._good = 0

    def read(self, row: Row) -> T | None:
        """Return the value of a row's cell."""
        return self.value(row, row[self.name])

    def optional(self, row: Row) -> T | None:
        """Return the value of a row's cell, or None where it is empty."""
        return self.read(row) if row[self.name] else None

    def value(self, row: Row, cell: str) -> T | None:
        """Return the value of a cell, or of one part of a row's cell that is a list."""
        value = self._parse(cell)
        if value is None:
            self._bad += 1
            self._first_bad = self._first_bad or (row, cell)
            self._problems.add(row.file, row.line, self.name, f"{_quote(cell)} is {self._what}")
        else:
            self._good += 1
        return value

    def check(self) -> None:
        """Raise `UnusableRosterError` where not one of enough cells did fit."""
        if self._good or self._bad < ENOUGH_CELLS or self._first_bad is None:
            return
        row, cell = self._first_bad
        example = f"the first is {_quote(cell)}; are columns swapped?"
        text = f"each of its {self._bad} values is {self._what}, {example}"
        raise unusable(row.file, row.line, self.name, text)


def date_column(problems: ProblemLog, name: str) -> Column[dt.date]:
    """Return a column of dates, written year-month-day."""
    return Column(problems, name, _date, "not a date (YYYY-MM-DD, 1900 to 2200)")


def flag_column(problems: ProblemLog, name: str) -> Column[bool]:
    """Return a column of flags: true, false, 1, 0, yes, no."""
    return Column(problems, name, _flag, "neither true nor false")


def id_column(problems: ProblemLog, name: str) -> Column[str]:
    """Return a column of ids."""
    return Column(problems, name, sound_id, "not an id (1 to 128 printable characters)")


def choice_column(problems: ProblemLog, name: str, choices: Container[str]) -> Column[str]:
    """Return a column of words, in any case, of which each is one of the choices."""
    parse = _member(choices, str.lower)
    return Column(problems, name, parse, f"no {name} that OneRoster knows")


def reference_column(
    problems: ProblemLog, name: str, known: Container[str], file: str
) -> Column[str]:
    """Return a column of ids of another file's rows."""
    return Column(problems, name, _member(known, str), f"not in {file}")


def sound_id(cell: str) -> str | None:
    """Return an id as it is, or None where Schoolbell cannot hold it."""
    fits = 0 < len(cell) <= _ID_LENGTH and cell.isprintable() and "\ufffd" not in cell
    return cell if fits else None


def sound_year(year: int) -> bool:
    """Return whether a year can be one that a school means."""
    return _FIRST_YEAR <= year <= _LAST_YEAR


def _member(choices: Container[str], normal: Callable[[str], str]) -> Callable[[str], str | None]:
    return lambda cell: word if (word := normal(cell)) in choices else None


def _date(cell: str) -> dt.date | None:
    if not _DATE.match(cell):
        return None
    try:
        date = dt.date.fromisoformat(cell)
    except ValueError:
        return None
    return date if sound_year(date.year) else None


def _flag(cell: str) -> bool | None:
    word = cell.lower()
    return True if word in _YES else False if word in _NO else None


def _quote(cell: str) -> str:
    return repr(cell if len(cell) <= 60 else f"{cell[:57]}...")
