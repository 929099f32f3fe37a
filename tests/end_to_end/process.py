"""Servers as processes of their own, to be killed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import grpc.aio

from schoolbell import AsyncClient, Connection
from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server.address import Address
from schoolbell_server.config import Config
from schoolbell_server.gateways.app_config import AppConfig
from tests.service.ports import free_port
from tests.service.whole import DEADLINE, Whole

PATIENCE = 60.0  # seconds
_PROGRAM = Path(__file__).with_name("forking.py")
_TAKEN_BACK = re.compile(r"leases of dead servers taken back deliveries=(\d+)")


@dataclass
class Process:
    """A server that can be killed and started again."""

    service: Whole
    config: Config
    file: Path
    command: str = "serve"
    """What of `schoolbell-server` it runs."""
    options: Sequence[str] = ()
    """Further options of the command."""
    prefix: Sequence[str] = ()
    """What runs the command, such as in another network namespace."""
    log: list[str] = field(default_factory=list)
    """What all its lives wrote to stderr."""
    pid: int = 0
    """The process of the present life; 0 between two."""
    _parent: asyncio.subprocess.Process | None = None
    _readers: list[asyncio.Task[None]] = field(default_factory=list)
    _exit_code: int | None = None
    _listens: bool = False
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def taken_back(self) -> int:
        """How many leases of the dead its lives have taken back."""
        return sum(int(found[1]) for line in self.log if (found := _TAKEN_BACK.search(line)))

    async def start(self) -> None:
        """Start the server and wait until it takes calls."""
        await self.begin()
        await self._until(lambda: self._listens or not self.pid)
        if not self.pid:
            raise AssertionError("the server ended before it listened:\n" + "\n".join(self.log))

    async def begin(self) -> None:
        """Start the server, without waiting for it to take calls."""
        if self._parent is None:
            await self._open()
        assert self._parent is not None
        assert self._parent.stdin is not None
        self._listens = False
        self._parent.stdin.write(b"\n")
        await self._until(lambda: bool(self.pid))

    async def kill(self) -> None:
        """Kill the server with SIGKILL, at once."""
        os.kill(self.pid, signal.SIGKILL)
        await self._until(lambda: not self.pid)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let the server stand still while the block runs, as one that is kept from the processor.

        It keeps its connections and its locks, and its timers run out meanwhile.
        """
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    async def terminate(self) -> int | None:
        """Ask the server to drain; return its exit code."""
        os.kill(self.pid, signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int | None:
        """Wait until the server ends by itself; return its exit code."""
        await self._until(lambda: not self.pid)
        return self._exit_code

    async def end(self) -> None:
        """Kill whatever still runs."""
        if self.pid:
            await self.kill()
        if self._parent is not None and self._parent.stdin is not None:
            self._parent.stdin.close()
            await asyncio.gather(*self._readers)
            await self._parent.wait()

    @asynccontextmanager
    async def client(self, role: access.Role.ValueType) -> AsyncIterator[AsyncClient]:
        """Open a client of a role."""
        async with AsyncClient(self.connection(role)) as client:
            yield client

    def channel(self) -> grpc.aio.Channel:
        """Open a channel without credentials."""
        return self.connection(access.ROLE_MONITOR).aio_channel()

    def connection(self, role: access.Role.ValueType) -> Connection:
        """Return the connection of a caller of a role."""
        return Connection(
            target=f"localhost:{self.config.server.listen.port}",
            key=self.service.key(role),
            deadline=DEADLINE,
            ca=(self.config.server.data_dir / "tls" / "ca.pem").read_bytes(),
        )

    async def _open(self) -> None:
        self._parent = await asyncio.create_subprocess_exec(
            *(
                *self.prefix,
                sys.executable,
                str(_PROGRAM),
                self.command,
                "--config",
                str(self.file),
                *self.options,
            ),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert self._parent.stdout is not None
        assert self._parent.stderr is not None
        self._readers = [
            asyncio.create_task(self._read_lives(self._parent.stdout)),
            asyncio.create_task(self._read_log(self._parent.stderr)),
        ]

    async def _read_lives(self, stream: asyncio.StreamReader) -> None:
        async for raw in stream:
            what, number = raw.decode().split()
            async with self._moved:
                self.pid = int(number) if what == "started" else 0
                self._exit_code = int(number) if what == "ended" else None
                self._moved.notify_all()

    async def _read_log(self, stream: asyncio.StreamReader) -> None:
        async for raw in stream:
            self.log.append(raw.decode().rstrip())
            if b"listens on" in raw:
                async with self._moved:
                    self._listens = True
                    self._moved.notify_all()

    async def _until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE), self._moved:
            await self._moved.wait_for(reached)


@asynccontextmanager
async def killable(service: Whole, folder: Path) -> AsyncIterator[Process]:
    """Serve a stopped service's data by a process of its own."""
    listening = replace(service.config.server, listen=Address("127.0.0.1", free_port()))
    config = replace(service.config, server=listening)
    async with processes(service, folder, config) as (process,):
        yield process


@asynccontextmanager
async def processes(
    service: Whole,
    folder: Path,
    *configs: Config,
    options: Sequence[str] = (),
    prefix: Sequence[str] = (),
) -> AsyncIterator[list[Process]]:
    """Serve a stopped service's data by processes, one a configuration."""
    await service.stop()
    started = []
    async with AsyncExitStack() as stack:
        for number, config in enumerate(configs, 1):
            file = folder / f"server-{number}.toml"
            file.write_text(_toml(config), encoding="utf-8")
            process = Process(service, config, file, options=options, prefix=prefix)
            stack.push_async_callback(process.end)
            await process.start()
            started.append(process)
        yield started


def _toml(config: Config) -> str:
    """Return what the file of a process says of a test's configuration."""
    server, delivery = config.server, config.delivery
    lines = [
        "[server]",
        f'listen = "{server.listen}"',
        f"share_port = {str(server.share_port).lower()}",
        f'role = "{server.role}"',
        f"data_dir = {json.dumps(str(server.data_dir))}",
        f'drain_grace = "{server.drain_grace.total_seconds():g}s"',
        *([f'metrics_listen = "{server.metrics_listen}"'] if server.metrics_listen else []),
        "[delivery]",
        *(
            f'{key} = "{int(getattr(delivery, key).total_seconds() * 1000)}ms"'
            for key in ("first_backoff", "lease", "lease_renewal")
        ),
        'longest_backoff = "1s"',
    ]
    if url := config.storage.url.reveal():
        seconds = config.storage.timeout.total_seconds()
        lines += ["[storage]", f"url = {json.dumps(url)}", f'timeout = "{seconds:.0f}s"']
    if config.link is not None:
        lines += [
            "[link]",
            f"url = {json.dumps(config.link.url)}",
            f"password_file = {json.dumps(str(config.link.password_file))}",
            f"ca_file = {json.dumps(str(config.link.ca_file))}",
            f"server_name = {json.dumps(config.link.server_name)}",
        ]
        for app_id, app in config.apps.items():
            names = [one.name.lower() for one in app.platforms]
            lines += [
                f"[apps.{app_id}]",
                f'kind = "{app.kind.name.lower()}"',
                f"platforms = {json.dumps(names)}",
            ]
        return "\n".join(lines) + "\n"
    return "\n".join([*lines, *app_lines(config.apps)]) + "\n"


def app_lines(apps: Mapping[str, AppConfig]) -> list[str]:
    """Return what a configuration file says of the accounts of apps."""
    lines = []
    for app_id, app in apps.items():
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
    return lines
