"""What the page of the sandbox shows: a sandbox by its command, and a push to it by hand."""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.docs.pages import Block, blocks, read
from tests.docs.played import activated, try_block
from tests.programs import PATIENCE


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page pushes with curl")
async def test_a_push_by_hand_is_shown_in_the_first_terminal(tmp_path: Path) -> None:
    page = read("docs/sandbox.md")
    (start,), (by_hand,) = blocks(page, ""), blocks(page, "sh")
    async with _first_terminal(start, tmp_path) as terminal:
        await _until(terminal, "fcm_project_id")
        told = await try_block(by_hand, tmp_path, activated())
        await _until(terminal, "From curl")
    assert _totals(told)["accepted"] == 1


async def test_a_sandbox_in_a_test_is_as_shown() -> None:
    (shown,) = blocks(read("docs/sandbox.md"), "python")
    defined: dict[str, Callable[[], Awaitable[None]]] = {}
    exec(shown.text, defined)
    await defined["test_ours"]()


@asynccontextmanager
async def _first_terminal(start: Block, folder: Path) -> AsyncIterator[asyncio.StreamReader]:
    """Run the sandbox as the page says while the block runs; return what it prints."""
    process = await asyncio.create_subprocess_exec(
        *shlex.split(start.text),
        cwd=folder,
        env=activated(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _until(terminal: asyncio.StreamReader, words: str) -> None:
    """Read until a line has these words."""
    seen = ""
    try:
        async with asyncio.timeout(PATIENCE):
            while words not in seen:
                line = await terminal.readline()
                assert line, f"the sandbox ended before it said {words!r}:\n{seen}"
                seen += line.decode()
    except TimeoutError:
        raise AssertionError(f"the sandbox never said {words!r}:\n{seen}") from None


def _totals(told: str) -> dict[str, int]:
    """Return the counts that the page asks for at the end."""
    found: dict[str, int] = json.loads(told[told.index("{") : told.rindex("}") + 1])
    return found
