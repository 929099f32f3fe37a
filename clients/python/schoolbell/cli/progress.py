"""The progress of what takes longer than two seconds: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock, Timer
from types import TracebackType
from typing import Self

import rich.progress as bars

from schoolbell.cli.output import Output, make_console
from schoolbell.cli.printing import say

PATIENCE = 2.0  # seconds without a word
_SAY_AGAIN = 10.0  # seconds between the lines where there is no terminal


class Progress:
    """Counts what is done; goes to stderr, so that answers stay as they are."""

    def __init__(self, output: Output, doing: str, total: Callable[[], int] | None = None) -> None:
        """`total` is asked when there is something to show."""
        self._doing, self._total = doing, total
        self._is_shown = output.is_for_people
        self._console = make_console(stderr=True)
        self._counted: int | None = None
        self._bar: bars.Progress | None = None
        self._task = bars.TaskID(0)
        self._done = 0
        self._since = self._said = time.monotonic()
        self._timer = Timer(PATIENCE, self._start)
        self._lock = Lock()

    def __enter__(self) -> Self:
        if self._is_shown and self._console.is_terminal:
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._is_shown = False
            if self._bar is not None:
                self._bar.stop()

    def advance(self, count: int = 1) -> None:
        """Count what was done since."""
        self._done += count
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, of=self._of())
        elif self._is_shown and not self._console.is_terminal and now - self._said >= _SAY_AGAIN:
            self._said = now
            say(f"{self._doing}: {self._done} after {now - self._since:.0f} s", err=True)

    def go_on(self, doing: str) -> None:
        """Say that something else is done now, which cannot be counted."""
        self._doing, self._total = doing, None
        if self._bar is not None:
            self._bar.update(self._task, description=self._doing, total=None, of="")

    def _start(self) -> None:
        """Show the bar, in the timer's thread."""
        total = self._counted = self._total() if self._total else None
        with self._lock:
            if not self._is_shown:
                return
            self._bar = bars.Progress(
                bars.TextColumn("{task.description}"),
                bars.BarColumn(),
                bars.TextColumn("{task.fields[of]}"),
                bars.TimeElapsedColumn(),
                console=self._console,
            )
            self._task = self._bar.add_task(
                self._doing, total=total, completed=self._done, of=self._of()
            )
            self._bar.start()

    def _of(self) -> str:
        """Return how much of how much is done; '' once it cannot be counted."""
        if self._counted is None:
            return ""
        return f"{self._done:,} of {self._counted:,}"
