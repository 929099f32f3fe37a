"""Status transactions a second where a commit takes its time, as on a cloud's disk.

PostgreSQL waits `commit_delay` before it writes a commit down, and those that wait at the same time
are written together. Nothing but the status log is written: what is measured is whether one
transaction waits for another's commit.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

import asyncpg

from benchmarks.databases import POSTGRESQL, database
from benchmarks.results import Figure, Result
from benchmarks.service import Bench
from schoolbell_storage.engine import open_storage
from schoolbell_storage.migrate import migrate

_WRITERS = 32
_PROCESSES = 2
_DELAY = 5  # ms


async def measure(bench: Bench) -> Result:
    """Write with one writer, then with many."""
    with tempfile.TemporaryDirectory(prefix="schoolbell-bench-") as folder:
        async with database(POSTGRESQL, Path(folder)) as found:
            url = found.url.render_as_string(hide_password=False)
            storage = open_storage(url)
            await migrate(storage)
            await storage.close()
            await _delay_commits(found.configured)
            alone = await _written(url, 1, 1, bench.seconds / 2)
            together = await _written(url, _PROCESSES, _WRITERS // _PROCESSES, bench.seconds)
    figure = Figure(
        what=f"Status transactions of {_WRITERS} writers, {_DELAY} ms a commit",
        value=together,
        unit="transactions/s",
        database=POSTGRESQL,
        target=2_000,
    )
    return Result(figures=[figure], notes=[f"One writer alone: {alone:,.0f} transactions/s."])


async def _delay_commits(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f'ALTER DATABASE "{name}" SET commit_siblings = 0')
        await connection.execute(f'ALTER DATABASE "{name}" SET commit_delay = {_DELAY * 1000}')
    finally:
        await connection.close()


async def _written(url: str, processes: int, writers: int, seconds: float) -> float:
    """Return the transactions a second of so many processes with so many writers each."""
    arguments = ("-m", "benchmarks.status_writer", url, str(writers), str(seconds))
    running = [
        await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(processes)
    ]
    ended = [await one.communicate() for one in running]
    counts: list[int] = [json.loads(output)["transactions"] for output, _ in ended]
    return sum(counts) / seconds
