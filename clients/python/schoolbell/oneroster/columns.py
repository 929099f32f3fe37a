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
from schoolbell.texts import cut

T = TypeVar("T")

ENOUGH_CELLS = 3
"""From so many cells on, a column of which none fits is taken for another column."""

OPEN = dt.date.max
"""What a column of end dates reads where the end is a date that no school plans for."""

_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[Tt ] *\d{1,2}:\d{2}[^\n]{0,24})?\Z", re.ASCII)
"""A date; a time of day after it does not matter."""
_NOTHING = frozenset({"null", "none", "nil", "n/a", "#n/a", "nan", "nat", "0000-00-00"})
"""What programs write into a date, flag or word that is not there, in any case."""
_YES = frozenset({"true", "1", "yes", "t", "y"})
_NO = frozenset({"false", "0", "no", "f", "n"})
_ID_LENGTH = 128
_MOST_QUOTED = 60  # characters
_FIRST_YEAR, _LAST_YEAR = 1900, 2200


class Column(Generic[T]):
    """Parses one column of one file; a cell that does not fit is reported and reads as None."""

    def __init__(
        self,
        problems: ProblemLog,
        name: str,
        parse: Callable[[str], T | None],
        what: str,
        refers_to: str = "",
    ) -> None:
        """Read cells of column `name` by `parse`, which answers None to what is not a `what`.

        A cell that refers to another file is not its own row's fault where that file has bad rows,
        or marks what it refers to as deleted.
        """
        self.name = name
        self._problems = problems
        self._parse = parse
        self._what = what
        self._refers_to = refers_to
        self._first_bad: tuple[Row, str] | None = None
        self._bad = 0
        self._good = 0

    def read(self, row: Row) -> T | None:
        """Return the value of a row's cell."""
        return self.value(row, row[self.name])

    def is_empty(self, row: Row) -> bool:
        """Return whether a row's cell says nothing."""
        return is_nothing(row[self.name])

    def optional(self, row: Row) -> T | None:
        """Return the value of a row's cell, or None where it is empty."""
        return None if self.is_empty(row) else self.read(row)

    def given(self, row: Row) -> tuple[T | None, bool]:
        """Return the value of a row's cell, and whether the extract provides it.

        A column that the file does not have, and a cell that cannot be read, provide nothing; an
        empty cell provides that there is no value.
        """
        if not row.has(self.name):
            return None, False
        value = self.optional(row)
        return value, value is not None or self.is_empty(row)

    def value(self, row: Row, cell: str) -> T | None:
        """Return the value of a cell, or of one part of a row's cell that is a list."""
        value = self._parse(cell)
        if value is None and self._problems.is_deleted(self._refers_to, cell):
            text = f"{_quote(cell)} is marked as deleted in {self._refers_to}; left out"
            self._problems.add(row.file, row.line, self.name, text, is_bad=False)
        elif value is None:
            self._bad += 1
            self._first_bad = self._first_bad or (row, cell)
            is_bad = not self._problems.has_bad_rows(self._refers_to)
            text = f"{_quote(cell)} is {self._what}"
            self._problems.add(row.file, row.line, self.name, text, is_bad=is_bad)
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


def end_column(problems: ProblemLog, name: str) -> Column[dt.date]:
    """Return a column of last days; one after the year 2200, such as 9999-12-31, is `OPEN`."""
    return Column(problems, name, _end, "not a date (YYYY-MM-DD, from 1900)")


def flag_column(problems: ProblemLog, name: str) -> Column[bool]:
    """Return a column of flags: true, false, 1, 0, yes, no, or their first letters."""
    return Column(problems, name, _flag, "neither true nor false")


def id_column(problems: ProblemLog, name: str) -> Column[str]:
    """Return a column of ids."""
    return Column(problems, name, sound_id, "not an id (1 to 128 printable characters)")


def choice_column(problems: ProblemLog, name: str, choices: Container[str]) -> Column[str]:
    """Return a column of words, in any case, of which each is one of the choices."""
    parse = _member(choices, str.lower)
    return Column(problems, name, parse, f"no {name} that OneRoster knows")


def reference_column(
    problems: ProblemLog, name: str, known: Container[str], file: str, role: str = ""
) -> Column[str]:
    """Return a column of ids of another file's rows, which are there in a role."""
    what = f"not in {file}{role and f' as a {role}'}"
    return Column(problems, name, _member(known, str), what, file)


def is_nothing(cell: str) -> bool:
    """Return whether a cell, of a column that holds no free text, says that there is no value."""
    return not cell or cell.lower() in _NOTHING


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
    date = _any_date(cell)
    return date if date is not None and sound_year(date.year) else None


def _end(cell: str) -> dt.date | None:
    date = _any_date(cell)
    return OPEN if date is not None and date.year > _LAST_YEAR else _date(cell)


def _any_date(cell: str) -> dt.date | None:
    found = _DATE.match(cell)
    try:
        return None if found is None else dt.date.fromisoformat(found[1])
    except ValueError:
        return None


def _flag(cell: str) -> bool | None:
    word = cell.lower()
    return True if word in _YES else False if word in _NO else None


def _quote(cell: str) -> str:
    return repr(cut(cell, _MOST_QUOTED))
