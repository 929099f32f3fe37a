"""A district that runs whole: sandbox, server and console as processes, and who calls them."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from schoolbell import AsyncClient, Connection, oneroster
from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server import sample
from schoolbell_server.demo.district import Phone, set_up
from schoolbell_server.demo.stage import DISTRICT, Stage, stage
from tests.service.ports import free_port

ZONE = "America/Chicago"
ANN = "principal"
_Answer = TypeVar("_Answer")
_PATIENCE = 60.0  # seconds


class Loop:
    """An event loop on a thread of its own: Playwright's API of the tests is not asynchronous."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _Answer]) -> _Answer:
        """Return what a coroutine returns."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE * 4)

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass(kw_only=True)
class World:
    """What the tests act upon."""

    loop: Loop
    stage: Stage
    phones: list[Phone]
    changes: Path
    origin: str = ""
    console: Path = Path()
    keys: dict[str, str] = field(default_factory=dict)
    """API keys by the name of the person."""
    stack: ExitStack = field(default_factory=ExitStack)
    """What else ends with the world."""

    def ask(self, role: access.Role.ValueType, service: str, method: str, request: Any) -> Any:
        """Return the answer of one call of a role."""
        return self.ask_as(self.stage.connection(role), service, method, request)

    def ask_as(self, connection: Connection, service: str, method: str, request: Any) -> Any:
        """Return the answer of one call of whoever has a connection."""

        async def call() -> Any:
            async with AsyncClient(connection) as client:
                return await getattr(getattr(client, service), method)(request)

        return self.loop.run(call())

    def run(self, work: Coroutine[Any, Any, _Answer]) -> _Answer:
        """Return what a coroutine returns."""
        return self.loop.run(work)

    def person(self, name: str, *rights: tuple[int, int]) -> str:
        """Return the API key of a person with some tool rights, by tool and right."""
        self.ask(
            access.ROLE_OPERATOR,
            "access",
            "GrantRights",
            access.GrantRightsRequest(district_id=DISTRICT, rights=rights_of(name, rights)),
        )
        return self.key(
            access.ApiKey(display_name=name, role=access.ROLE_ADMINISTRATOR, user_id=name)
        )

    def revoke(self, name: str, *rights: tuple[int, int]) -> None:
        """Take rights from a person."""
        self.ask(
            access.ROLE_OPERATOR,
            "access",
            "RevokeRights",
            access.RevokeRightsRequest(district_id=DISTRICT, rights=rights_of(name, rights)),
        )

    def key(self, key: access.ApiKey, district_id: str = DISTRICT) -> str:
        """Return the secret of a new key."""
        request = access.CreateApiKeyRequest(district_id=district_id, api_key=key)
        answer = self.ask(access.ROLE_OPERATOR, "access", "CreateApiKey", request)
        return str(answer.secret)

    def link(self, name: str = ANN) -> str:
        """Return a link that signs a person in, as the command prints it."""
        file = self.console.parent / f"{name}.key"
        file.write_text(self.keys[name], encoding="utf-8")
        command = [sys.executable, "-m", "schoolbell_console", "link"]
        command += ["--config", str(self.console), "--key-file", str(file)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def rights_of(name: str, rights: Sequence[tuple[int, int]]) -> list[access.ToolRight]:
    """Return rights of a person as messages."""
    return [
        access.ToolRight(
            grantee_type=access.GRANTEE_TYPE_USER,
            grantee_id=name,
            tool=access.Tool.ValueType(tool),
            right=access.Right.ValueType(right),
        )
        for tool, right in rights
    ]


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """Start everything; the district has its roster and phones, and nothing has happened yet."""
    loop, stack = Loop(), AsyncExitStack()
    try:
        written = sample.write(folder / "sample", dt.datetime.now(dt.UTC), ZONE)
        roster = oneroster.read(written.roster, written.relationships)
        on = loop.run(stack.enter_async_context(stage(folder, replay=False)))
        phones = loop.run(set_up(on, roster, ZONE, written.school_year))
        found = World(loop=loop, stage=on, phones=phones, changes=written.changes)
        found.keys[ANN] = on.keys[access.ROLE_ADMINISTRATOR]
        with found.stack, serving(found, folder / "console.toml"):
            yield found
    finally:
        loop.run(stack.aclose())
        loop.close()


@contextmanager
def serving(
    world: World, path: Path, *, port: int | None = None, more: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    """Serve the console to a world while the context lasts; `more` ends its configuration."""
    port = free_port() if port is None else port
    scheme = "https" if "[tls]" in more else "http"
    world.origin, world.console = f"{scheme}://localhost:{port}", path
    path.write_text(
        "[console]\n"
        f'origin = "{world.origin}"\nlisten = "127.0.0.1:{port}"\n'
        f"cookie_key_file = {json.dumps(str(path.with_suffix('.key')))}\n"
        "[server]\n"
        f'target = "localhost:{world.stage.port}"\n'
        f"ca_file = {json.dumps(str(world.stage.folder / 'data' / 'tls' / 'ca.pem'))}\n{more}",
        encoding="utf-8",
    )
    with console_process(path, world.origin) as process:
        yield process


@contextmanager
def console_process(path: Path, origin: str) -> Iterator[subprocess.Popen[bytes]]:
    """Serve the console of a configuration while the context lasts."""
    with path.with_suffix(".log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "schoolbell_console", "serve", "--config", str(path)],
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    try:
        until(lambda: _answers(origin, process))
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_PATIENCE)


def until(is_so: Any, patience: float = _PATIENCE) -> None:
    """Wait until something is so."""
    end = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < end, "it did not become so"
        time.sleep(0.05)


def _answers(origin: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the console ended"
    try:
        anybody = ssl._create_unverified_context()
        with urllib.request.urlopen(f"{origin}/sign-in", timeout=5, context=anybody) as answer:
            return bool(answer.status == 200)
    except urllib.error.URLError:
        return False
