"""A service to measure: providers and a server as processes of their own, with a district."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import exists, select

from benchmarks.databases import database
from benchmarks.district import WANTED, write_district
from benchmarks.machine import cpu_seconds, thread_seconds
from schoolbell_server.demo import stage
from schoolbell_server.demo.ports import free_ports
from schoolbell_server.domain.kinds import Kind
from schoolbell_server.security.api_key import Role
from schoolbell_storage.deliveries import UNSENT
from schoolbell_storage.engine import Storage, open_storage
from schoolbell_storage.tables import delivery

ARRIVALS = "arrivals.txt"
"""What the bare sink writes down, in the service's folder."""
CONFIGURATION = "schoolbell.toml"
Through = Callable[[AsyncExitStack, Path, Sequence[str], dict[str, int]], Awaitable[Sequence[str]]]
"""Starts, in a folder, what sends with these lines about accounts, and adds its processes; returns
what the server's configuration says of its way out instead."""
_BACKLOG = 10_000_000
"""Deliveries: more than is ever written, so that nobody is held up."""
_CALLS = 2_000
"""Calls of the load generator, which has one connection and one key a role."""
_LOOK_AGAIN = 0.05  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What the caller chose, and where a row finds what it needs."""

    database: str
    seconds: float = 6.0
    """How long a row publishes."""
    students: int = 10_000
    long: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service."""

    bench: Bench
    folder: Path
    port: int
    storage: Storage
    """Ours, beside the server's."""
    credentials: Mapping[Role, str]
    pids: dict[str, int]
    options: Sequence[str] = ()
    _server: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        """Start the server, and wait until it answers."""
        arguments = ["serve", "--config", str(self.folder / CONFIGURATION), *self.options]
        log = self.folder / "server.log"
        server = await stage.start_process(self._server, arguments, log)
        self.pids["server"] = server.process.pid
        await server.until(server.listening)

    async def stop(self) -> None:
        """Drain the server; it can be started again."""
        await self._server.aclose()

    def arrived(self) -> list[tuple[float, str]]:
        """Return when, by the clock, which delivery arrived at the bare sink."""
        lines = (self.folder / ARRIVALS).read_text().splitlines()
        return [(float(time), name) for time, _, name in (line.partition(" ") for line in lines)]

    def count_arrived(self) -> int:
        """Return how many deliveries arrived at the bare sink."""
        return (self.folder / ARRIVALS).read_bytes().count(b"\n")

    def cpu(self) -> dict[str, float]:
        """Return the CPU time of every process, in seconds."""
        return {name: cpu_seconds(pid) for name, pid in self.pids.items()}

    def threads(self) -> dict[str, float]:
        """Return the CPU time of the server's threads, in seconds."""
        return thread_seconds(self.pids["server"])

    def job(self, kind: str, **job: object) -> dict[str, object]:
        """Return a job of the load generator on this service."""
        roles = {"watch": Role.MONITOR, "phones": Role.MOBILE_BACKEND}
        role = roles.get(kind, Role.PUBLISHER)
        about = {
            "kind": kind,
            "port": self.port,
            "key": self.credentials[role],
            "ca": (self.folder / "data" / "tls" / "ca.pem").read_text(),
            "students": self.bench.students,
        }
        return about | job

    async def load(self, kind: str, **job: object) -> dict[str, Any]:
        """Run a load generator as a process of its own and return what it found out."""
        return await generate(self.job(kind, **job))

    async def settled(self, *kinds: Kind, patience: float = 900.0) -> None:
        """Wait until no delivery (of these kinds) waits and none is under way."""
        unsent = [delivery.c.state.in_(UNSENT)]
        if kinds:
            unsent.append(delivery.c.kind.in_(map(int, kinds)))
        waiting = select(exists().where(*unsent))
        async with asyncio.timeout(patience):
            while True:
                async with self.storage.read() as connection:
                    if not (await connection.execute(waiting)).scalar_one():
                        return
                await asyncio.sleep(_LOOK_AGAIN)


async def generate(job: Mapping[str, object]) -> dict[str, Any]:
    """Run a load generator's job to its end."""
    process = await start_generator(job)
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode:
        raise RuntimeError(f"the load generator ended with {process.returncode}")
    found: dict[str, Any] = json.loads(output)
    return found


async def start_generator(
    job: Mapping[str, object], module: str = "benchmarks.load"
) -> asyncio.subprocess.Process:
    """Start a load generator on a job; what it finds out is the last line of its stdout."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(job).encode())
    process.stdin.close()
    return process


@asynccontextmanager
async def service(
    bench: Bench,
    *,
    held: Collection[Kind] = (),
    wanted: Collection[Kind] = WANTED,
    options: Sequence[str] = (),
    through: Through | None = None,
) -> AsyncIterator[Service]:
    """Write a district of the wanted size into an empty database and serve it.

    Deliveries of the `held` kinds are written but not sent. All others go to a bare sink; the
    sandbox gives out access tokens. `options` are further ones of the server's command. With
    `through` the server has no way out but that.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="schoolbell-bench-")))
        (folder / "data").mkdir(mode=0o700)
        empty = await stack.enter_async_context(database(bench.database, folder / "data"))
        storage = open_storage(empty.url.render_as_string(hide_password=False))
        stack.push_async_callback(storage.close)
        credentials = await write_district(
            storage, folder / "data", bench.students, held=held, wanted=wanted
        )
        providers = folder / "sandbox"
        boxed = await stage.start_process(
            stack, ["sandbox", "--dir", str(providers)], folder / "sandbox.log"
        )
        written = providers / "sandbox.json"
        facts = json.loads(
            await boxed.until(lambda: written.read_text() if written.exists() else "")
        )
        ports, sink = await start_helper(stack, "benchmarks.sink", providers, folder / ARRIVALS)
        facts |= ports
        pids = {"sandbox": boxed.process.pid, "sink": sink}
        if empty.pid is not None:
            pids["database"] = empty.pid
        found = Service(
            bench=bench,
            folder=folder,
            port=free_ports()[0],
            storage=storage,
            credentials=credentials,
            pids=pids,
            options=options,
        )
        limits = f"backlog = {_BACKLOG}\nkey_calls = {_CALLS}\nconnection_calls = {_CALLS}\n"
        own = f"[storage]\nurl = {json.dumps(empty.configured)}\n[limits]\n{limits}"
        ways_out: Sequence[str] = stage.accounts(folder, facts)
        if through is not None:
            ways_out = await through(stack, folder, ways_out, pids)
        text = stage.configuration(folder, ways_out, found.port) + own
        (folder / CONFIGURATION).write_text(text, encoding="utf-8")
        stack.push_async_callback(found.stop)
        await found.start()
        yield found


async def start_helper(stack: AsyncExitStack, module: str, *arguments: Path) -> tuple[Any, int]:
    """Start a process that serves until the stack ends; return what it says first, and its id."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *map(str, arguments), stdout=asyncio.subprocess.PIPE
    )
    stack.push_async_callback(_kill, process)
    assert process.stdout is not None
    return json.loads(await process.stdout.readline()), process.pid


async def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):  # what ends this process may have ended that one too
        process.kill()
    await process.wait()
