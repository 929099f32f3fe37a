"""What is wrong with an extract: rows that are left out, and files that cannot be used.

Exception
└── UnusableRosterError   the extract, or one of its files, cannot be read at all
"""

from __future__ import annotations

from dataclasses import dataclass

KEPT_PROBLEMS = 1000


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

    def __init__(self, problem: Problem) -> None:
        """Carry the problem as the message."""
        super().__init__(str(problem))
        self.problem = problem


class ProblemLog:
    """Keeps the first problems and counts them all."""

    def __init__(self) -> None:
        """Start empty."""
        self.kept: list[Problem] = []
        self.count = 0

    def add(self, file: str, line: int | None, column: str | None, text: str) -> None:
        """Note one problem."""
        self.count += 1
        if len(self.kept) < KEPT_PROBLEMS:
            self.kept.append(Problem(file, line, column, text))


def unusable(file: str, line: int | None, column: str | None, text: str) -> UnusableRosterError:
    """Return the error that says why a file cannot be used."""
    return UnusableRosterError(Problem(file, line, column, text))
