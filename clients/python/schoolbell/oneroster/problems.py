"""What is wrong with an extract: rows that are left out, and files that cannot be used.

Exception
└── UnusableRosterError   the extract, or one of its files, cannot be read at all
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence, Sized
from dataclasses import dataclass

KEPT_PROBLEMS = 1000
MOST_BAD_ROWS_PERCENT = 5.0
"""A file with a larger share of bad rows is damaged as a whole, and refused."""
ENOUGH_BAD_ROWS = 3
"""Fewer bad rows than these are no share of anything, however small the file."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong at a place of an extract; no line means the whole file."""

    file: str
    line: int | None
    column: str | None
    text: str

    def __str__(self) -> str:
        """Return it as one readable line."""
        line = "" if self.line is None else f", line {self.line}"
        column = "" if self.column is None else f", column {self.column}"
        return f"{self.file}{line}{column}: {self.text}"


class UnusableRosterError(Exception):
    """The extract cannot be used; its `problem` says where and why."""

    def __init__(
        self, problem: Problem, problems: Sequence[Problem] = (), problem_count: int = 0
    ) -> None:
        """Carry the problem as the message, and beside it what else was found until then."""
        super().__init__(str(problem))
        self.problem = problem
        self.problems = tuple(problems)
        """The first 1,000 of them."""
        self.problem_count = problem_count


@dataclass(slots=True)
class _Tally:
    """How many rows of a file were read, and how many of them had something wrong."""

    rows: int = 0
    bad: int = 0
    last_line: int = 0
    first: Problem | None = None
    lost: bool = False
    """Whether none of its rows could be used."""

    @property
    def bad_percent(self) -> float:
        return 100 * self.bad / max(1, self.rows)


class ProblemLog:
    """Keeps the first problems, counts them all, and counts the bad rows of each file."""

    def __init__(self) -> None:
        """Start empty."""
        self.kept: list[Problem] = []
        self.count = 0
        self._files: dict[str, _Tally] = defaultdict(_Tally)
        self._deleted: dict[str, set[str]] = defaultdict(set)

    def add_row(self, file: str) -> None:
        """Count a row that was read."""
        self._files[file].rows += 1

    def rows_of(self, file: str) -> int:
        """Return how many rows of a file were read."""
        return self._files[file].rows

    def has_bad_rows(self, file: str) -> bool:
        """Return whether a file that was read has bad rows."""
        return file in self._files and self._files[file].bad > 0

    def note_deleted(self, file: str, row_id: str) -> None:
        """Note that the rows of an id in a file are marked as deleted."""
        self._deleted[file].add(row_id)

    def is_deleted(self, file: str, row_id: str) -> bool:
        """Return whether the rows of an id in a file are marked as deleted."""
        return row_id in self._deleted.get(file, ())

    def add(
        self, file: str, line: int | None, column: str | None, text: str, *, is_bad: bool = True
    ) -> None:
        """Note one problem; `is_bad` tells whether its row counts as a bad one.

        Rows are read in order, so that the problems of one row follow each other.
        """
        problem = Problem(file, line, column, text)
        tally = self._files[file]
        if is_bad and line is not None and (tally.last_line != line):
            tally.bad += 1
            tally.last_line = line
            tally.first = tally.first or problem
        self.count += 1
        if len(self.kept) < KEPT_PROBLEMS:
            self.kept.append(problem)

    def require_some(self, file: str, used: Sized) -> None:
        """Note where nothing of a file could be used because of its bad rows."""
        tally = self._files[file]
        tally.lost = tally.bad > 0 and not used

    def first_spoiled(self, most_bad_percent: float) -> Problem | None:
        """Return what is wrong with the first file, as they were read, with too many bad rows."""
        for file, tally in self._files.items():
            many = tally.bad >= ENOUGH_BAD_ROWS and tally.bad_percent > most_bad_percent
            if tally.first is not None and (tally.lost or many):
                share = f"{tally.bad} of its {tally.rows} rows have problems"
                limit = f"more than {most_bad_percent:g} % refuse the whole extract"
                if tally.lost:
                    limit = "none of the rows can be used"
                text = f"{share}, {limit}; the first: {tally.first.text}"
                return Problem(file, tally.first.line, tally.first.column, text)
        return None


def unusable(file: str, line: int | None, column: str | None, text: str) -> UnusableRosterError:
    """Return the error that says why a file cannot be used."""
    return UnusableRosterError(Problem(file, line, column, text))
