"""A stranger who connects writes nothing to the server's stderr past its log."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

PATIENCE = 60.0  # seconds
GARBAGE = [b"\x1b[2J code=OK key_id=operator\r\n" * 10, b"\x16\x03\x01\x00\x05hello", b"GET / HTTP"]


async def connect(port: int, data: bytes) -> None:
    """Send something that is no handshake, and wait until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        writer.write_eof()
        await reader.read()
    except ConnectionError:
        return
    finally:
        writer.close()


async def test_broken_handshakes_write_no_line(tmp_path: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("GRPC_")
    } | {"SCHOOLBELL_SERVER_LISTEN": "127.0.0.1:0", "SCHOOLBELL_SERVER_DATA_DIR": str(tmp_path)}
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "schoolbell_server",
        "serve",
        cwd=tmp_path,
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    assert server.stderr is not None
    lines: list[str] = []
    try:
        async with asyncio.timeout(PATIENCE):
            port = 0
            while not port:
                line = (await server.stderr.readline()).decode()
                assert line, lines
                lines.append(line)
                if found := re.search(r"listens on [^ ]+:(\d+)", line):
                    port = int(found[1])
            for data in GARBAGE * 5:
                await connect(port, data)
            server.terminate()
            rest = (await server.stderr.read()).decode().splitlines()
            assert await server.wait() == 0
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()
    assert all(re.match(r"\d{4}-\d\d-\d\dT[0-9:.]+Z ", line) for line in rest), rest
