"""A language's runner: a process that does what the steps of scenarios say."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

PATIENCE = 75.0  # seconds, of one operation; keepalive needs 40 to find a silent connection
_LONGEST_LINE = 64 * 1024 * 1024  # bytes
_KEPT = 40  # lines of stderr


class RunnerBroke(Exception):
    """The runner ended, answered nothing in time, or said that it went wrong itself."""


class Runner:
    """One running runner."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._sent = 0
        self._said: list[str] = []
        assert process.stderr is not None
        self._reading = asyncio.create_task(self._read_stderr(process.stderr))
        self.offers: frozenset[str] = frozenset()

    @property
    def pid(self) -> int:
        """Return the id of its process."""
        return self._process.pid

    async def do(self, op: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Do one operation; return `{"ok": …}` or `{"error": …}`."""
        self._sent += 1
        line = json.dumps({"id": self._sent, "op": op, **arguments}) + "\n"
        try:
            answer = await asyncio.wait_for(self._exchange(line.encode()), PATIENCE)
        except TimeoutError:
            raise RunnerBroke(f"{op} was not answered within {PATIENCE:g} s") from None
        if answer.get("id") != self._sent:
            raise RunnerBroke(f"{op} was answered out of turn: {answer}")
        if "fault" in answer:
            raise RunnerBroke(f"{op}: {answer['fault']}")
        return answer

    async def _exchange(self, line: bytes) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(ConnectionError):
            self._process.stdin.write(line)
            await self._process.stdin.drain()
        answer = await self._process.stdout.readline()
        if not answer:
            await self._reading
            raise RunnerBroke("the runner ended:\n" + "\n".join(self._said))
        loaded = json.loads(answer)
        if not isinstance(loaded, dict):
            raise RunnerBroke(f"not an object: {answer[:200]!r}")
        return loaded

    async def _read_stderr(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            self._said = [*self._said[1 - _KEPT :], line.decode(errors="replace").rstrip()]

    async def end(self) -> None:
        """End the process."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading


@asynccontextmanager
async def running(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Runner]:
    """Run a runner until the block ends, in a folder and without variables of Schoolbell."""
    inherited = {key: value for key, value in os.environ.items() if "SCHOOLBELL_" not in key}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**inherited, **(environment or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
    )
    runner = Runner(process)
    try:
        described = await runner.do("describe", {})
        runner.offers = frozenset(described["ok"]["offers"])
        yield runner
    finally:
        await runner.end()
