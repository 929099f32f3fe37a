"""A server as a process of its own, to be killed."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from schoolbell import AsyncClient, Connection
from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server.config import Config
from tests.service.whole import Whole

PATIENCE = 60.0  # seconds


@dataclass
class Process:
    """A served data directory whose server can be killed and started again."""

    service: Whole
    folder: Path
    port: int
    """The same after every start, as clients expect."""
    _process: asyncio.subprocess.Process | None = field(default=None)

    async def start(self) -> None:
        """Start the server and wait until it takes calls."""
        arguments = ["-m", "schoolbell_server", "serve", "--config", str(self._write_config())]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stderr=asyncio.subprocess.PIPE
        )
        assert self._process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            async for raw in self._process.stderr:
                if b"listens on" in raw:
                    return
        raise AssertionError("the server ended before it listened")

    async def kill(self) -> None:
        """Kill the server with SIGKILL, at once."""
        assert self._process is not None
        self._process.kill()
        await self._process.communicate()

    async def terminate(self) -> int:
        """Ask the server to drain; return its exit code."""
        assert self._process is not None
        self._process.terminate()
        await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode

    async def end(self) -> None:
        """Kill whatever still runs."""
        if self._process is not None and self._process.returncode is None:
            await self.kill()

    @asynccontextmanager
    async def client(self, role: access.Role.ValueType) -> AsyncIterator[AsyncClient]:
        """Open a client of a role."""
        async with AsyncClient(self.connection(role)) as client:
            yield client

    def connection(self, role: access.Role.ValueType) -> Connection:
        """Return the connection of a caller of a role."""
        return Connection(
            target=f"localhost:{self.port}",
            key=self.service.key(role),
            ca=(self.folder / "data" / "tls" / "ca.pem").read_bytes(),
        )

    def _write_config(self) -> Path:
        path = self.folder / "schoolbell.toml"
        path.write_text(_toml(self.service.config, self.port), encoding="utf-8")
        return path


@asynccontextmanager
async def killable(service: Whole, folder: Path) -> AsyncIterator[Process]:
    """Serve a stopped service's data by a process of its own."""
    await service.stop()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = Process(service, folder, port)
    await process.start()
    try:
        yield process
    finally:
        await process.end()


def _toml(config: Config, port: int) -> str:
    """Return what the file of a process says of a test's configuration."""
    delivery = config.delivery
    lines = [
        "[server]",
        f'listen = "127.0.0.1:{port}"',
        f"data_dir = {json.dumps(str(config.server.data_dir))}",
        'drain_grace = "5s"',
        "[delivery]",
        f'first_backoff = "{int(delivery.first_backoff.total_seconds() * 1000)}ms"',
        f'longest_backoff = "{max(1, int(delivery.longest_backoff.total_seconds()))}s"',
    ]
    if url := config.storage.url.reveal():
        lines += ["[storage]", f"url = {json.dumps(url)}"]
    for app_id, app in config.apps.items():
        assert app.ios is not None
        assert app.android is not None
        lines += [
            f"[apps.{app_id}]",
            f'kind = "{app.kind.name.lower()}"',
            f"[apps.{app_id}.ios]",
            f'topic = "{app.ios.topic}"',
            f'team_id = "{app.ios.team_id}"',
            f'key_id = "{app.ios.key_id}"',
            f"key_file = {json.dumps(str(app.ios.key_file))}",
            'environment = "sandbox"',
            f'server = "{app.ios.server}"',
            f"ca_file = {json.dumps(str(app.ios.ca_file))}",
            f"[apps.{app_id}.android]",
            f'project_id = "{app.android.project_id}"',
            f"service_account_file = {json.dumps(str(app.android.service_account_file))}",
            f'endpoint = "{app.android.endpoint}"',
            f"ca_file = {json.dumps(str(app.android.ca_file))}",
        ]
    return "\n".join(lines) + "\n"
