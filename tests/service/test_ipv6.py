"""Addresses of IPv6 are printed as URLs and targets want them."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from schoolbell_sandbox.server import Sandbox
from schoolbell_sandbox.settings import SandboxSettings


async def test_the_server_says_where_it_listens_in_brackets(tmp_path: Path) -> None:
    config = tmp_path / "schoolbell.toml"
    config.write_text(f'[server]\nlisten = "[::1]:0"\ndata_dir = "{tmp_path / "data"}"\n')
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schoolbell_server", "serve", "--config", str(config)),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            said = ""
            while "listens on" not in said:
                said = (await process.stderr.readline()).decode()
                assert said, "the server ended"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    assert re.search(r"listens on \[::1\]:\d+$", said.rstrip())


async def test_the_sandbox_gives_out_a_token_uri_that_is_a_url(tmp_path: Path) -> None:
    async with Sandbox(SandboxSettings(host="::1", directory=tmp_path)) as sandbox:
        assert sandbox.token_uri == f"https://[::1]:{sandbox.fcm_port}/token"
