"""Run a publish dry: what it would do, counted without writing anything."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from schoolbell_server.acceptance.submission import Answer, Submission
from schoolbell_server.acceptance.transaction import Acceptance
from schoolbell_server.domain.dry_run import DryRun, dry_run
from schoolbell_storage.engine import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class DryAnswers:
    """What publishing would answer, and what it would tell and refuse."""

    answers: Sequence[Answer]
    counts: DryRun


class DryRunner:
    """Runs the accepting transaction and takes it back."""

    def __init__(
        self, storage: Storage, acceptance: Acceptance, clock: Callable[[], dt.datetime]
    ) -> None:
        self._storage = storage
        self._acceptance = acceptance
        self._clock = clock
        self._one = asyncio.Lock()

    async def run(self, submission: Submission) -> DryAnswers:
        """Return what publishing would do now; the very code that would do it decides.

        One at a time, with rests as long as the work: SQLite has one writer, and publishers wait
        for it.
        """
        async with self._one:
            start = perf_counter()
            async with self._storage.write(keep=False) as connection:
                answers, written = await self._acceptance.accept(
                    connection, [submission], self._clock()
                )
            await asyncio.sleep(perf_counter() - start)
        return DryAnswers(answers=answers[0], counts=dry_run(written.decisions))
