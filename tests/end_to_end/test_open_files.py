"""The limit of open files is raised at the start, and said where it is low."""

from __future__ import annotations

import asyncio
import resource
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from pathlib import Path

import pytest

PATIENCE = 60.0  # seconds


def limited(soft: int, hard: int) -> list[str]:
    """Return a command that starts a server under a limit of open files."""
    code = (
        "import resource, runpy, sys;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}));"
        "sys.argv = ['schoolbell-server', 'serve'];"
        "runpy.run_module('schoolbell_server', run_name='__main__')"
    )
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(("soft", "hard", "warns"), [(256, 8_192, False), (256, 512, True)])
async def test_the_soft_limit_is_raised_to_the_hard_one(
    soft: int, hard: int, tmp_path: Path, *, warns: bool
) -> None:
    environ = {"SCHOOLBELL_SERVER_LISTEN": "127.0.0.1:0", "PATH": ""}
    server = await create_subprocess_exec(
        *limited(soft, hard), cwd=tmp_path, env=environ, stderr=PIPE
    )
    assert server.stderr is not None
    lines: list[bytes] = []
    try:
        async with asyncio.timeout(PATIENCE):
            while not lines or b"Schoolbell listens on" not in lines[-1]:
                lines.append(await server.stderr.readline())
                assert lines[-1], b"".join(lines)
        assert resource.prlimit(server.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        server.terminate()
        await server.wait()
    assert any(b"few files may be open count=512" in line for line in lines) is warns
