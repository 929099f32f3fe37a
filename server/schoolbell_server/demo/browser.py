"""The administrator's console beside the demonstration, and a link that signs in to it."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from schoolbell_server.demo.stage import Stage, start_process

_MODULE = "schoolbell_console"  # a program of its own: nothing of it is imported
_PORT = 7480
_LISTENS = "The console listens on"


@dataclass(frozen=True, slots=True)
class Browsable:
    """A console that is served."""

    config: Path
    key_file: Path

    async def link(self) -> str:
        """Return a link that signs the administrator in, once."""
        arguments = ["link", "--config", str(self.config), "--key-file", str(self.key_file)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", _MODULE, *arguments, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        return said.decode().strip()


async def serve_console(stack: AsyncExitStack, on: Stage) -> Browsable:
    """Serve the console until the stack ends, on the usual port, or else on any."""
    found = Browsable(on.folder / "console.toml", on.key_file("administrator"))
    found.config.write_text(_configuration(on, _free_port()), encoding="utf-8")
    arguments, log = ["serve", "--config", str(found.config)], on.folder / "console.log"
    console = await start_process(stack, arguments, log, module=_MODULE)
    await console.until(lambda: log.read_text(encoding="utf-8").partition(_LISTENS)[1])
    return found


def _configuration(on: Stage, port: int) -> str:
    return (
        f'[console]\norigin = "http://localhost:{port}"\nlisten = "127.0.0.1:{port}"\n'
        f"cookie_key_file = {json.dumps(str(on.folder / 'console-cookie.key'))}\n"
        f'[server]\ntarget = "localhost:{on.port}"\n'
        f"ca_file = {json.dumps(str(on.ca_file))}\n"
    )


def _free_port() -> int:
    """Return the usual port, or another one where somebody has it."""
    for port in (_PORT, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AssertionError("some port is free")
