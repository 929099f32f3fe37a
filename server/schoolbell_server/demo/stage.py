"""The stage: a sandbox and a server as processes of their own, and keys for every role."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schoolbell import AsyncClient, Connection, read_key
from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server.security.key_files import KEYS
from schoolbell_server.security.secret_file import write_secret

DISTRICT = "sample-district"
APPS = {"district-parent": "parent", "district-student": "student"}
_START_TIMEOUT = 60.0  # seconds
_STOP_TIMEOUT = 60.0  # seconds
_PORT = 7443
_LAST_WORDS = 2000  # characters of a log
_LISTENS = re.compile(r"^Schoolbell(?:'s hub)? listens on \S+:(\d+)$", re.MULTILINE)
_ADMINISTRATOR = "principal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running service, and how each kind of caller reaches it."""

    port: int
    folder: Path
    sandbox: dict[str, Any]
    """What `sandbox.json` says."""
    keys: dict[access.Role.ValueType, str]

    @property
    def ca_file(self) -> Path:
        """Return the file of the server's authority."""
        return self.folder / "data" / "tls" / "ca.pem"

    def key_file(self, name: str) -> Path:
        """Return the file of a key by its name in `KEYS`."""
        return self.folder / "keys" / f"{name}.key"

    def connection(self, role: access.Role.ValueType) -> Connection:
        """Return the connection of a caller of a role."""
        return Connection(
            target=f"localhost:{self.port}",
            key=self.keys[role],
            ca=self.ca_file.read_bytes(),
        )


@asynccontextmanager
async def stage(folder: Path, *, replay: bool, link: bool = False) -> AsyncIterator[Stage]:
    """Start the sandbox, then the server; stop both at the end.

    With a `link` the server sends through a broker and a hub, which are started between them.
    """
    async with AsyncExitStack() as stack:
        sandbox_dir = folder / "sandbox"
        command = ["sandbox", "--dir", str(sandbox_dir)]
        sandbox = await start_process(stack, command, folder / "sandbox.log")
        facts = json.loads(await sandbox.until(lambda: _read(sandbox_dir / "sandbox.json")))
        ways_out = accounts(folder, facts)
        if link:
            from schoolbell_server.demo.through_hub import start_hub

            ways_out = await start_hub(stack, folder, ways_out)
        port = await _start_server(stack, folder, ways_out, replay=replay)
        operator = folder / "data" / "credentials" / "operator.key"
        keys = {access.ROLE_OPERATOR: read_key(operator)}
        yield Stage(port=port, folder=folder, sandbox=facts, keys=keys)


async def _start_server(
    stack: AsyncExitStack, folder: Path, ways_out: Sequence[str], *, replay: bool
) -> int:
    """Start the server and return the port that it says it listens on.

    The usual port may be somebody else's, also from one moment to the next: then any other.
    """
    config = folder / "schoolbell.toml"
    arguments = ["serve", "--config", str(config)] + (["--replay"] if replay else [])
    for port in (_PORT, 0):
        config.write_text(configuration(folder, ways_out, port), encoding="utf-8")
        server = await start_process(stack, arguments, folder / "server.log")
        try:
            return int(await server.until(server.listening))
        except ProcessEnded as error:
            if not port or "cannot listen" not in str(error):
                raise
    raise AssertionError("some port is free")


async def make_keys(on: Stage) -> None:
    """Make a key for every role, with its file, and give the administrator every right."""
    async with AsyncClient(on.connection(access.ROLE_OPERATOR)) as client:
        for name, role in KEYS.items():
            key = access.ApiKey(display_name=access.Role.Name(role), role=role)
            if role == access.ROLE_ADMINISTRATOR:
                key.user_id = _ADMINISTRATOR
            request = access.CreateApiKeyRequest(district_id=DISTRICT, api_key=key)
            on.keys[role] = (await client.access.CreateApiKey(request)).secret
            write_secret(on.key_file(name), f"{on.keys[role]}\n".encode())
        rights = [
            access.ToolRight(
                grantee_type=access.GRANTEE_TYPE_USER,
                grantee_id=_ADMINISTRATOR,
                tool=tool,
                right=access.RIGHT_WRITE,
            )
            for tool in access.Tool.values()[1:]
        ]
        await client.access.GrantRights(
            access.GrantRightsRequest(district_id=DISTRICT, rights=rights)
        )


def configuration(folder: Path, ways_out: Sequence[str], port: int) -> str:
    """Return the server's configuration; `ways_out` are its lines about the apps."""
    lines = [
        "[server]",
        f'listen = "127.0.0.1:{port}"',
        f"data_dir = {json.dumps(str(folder / 'data'))}",
        *ways_out,
    ]
    return "\n".join(lines) + "\n"


def accounts(folder: Path, facts: dict[str, Any]) -> list[str]:
    """Return the lines of a configuration about both apps, pointed at the sandbox."""
    sandbox, lines = folder / "sandbox", []
    for app_id, kind in APPS.items():
        lines += [
            f"[apps.{app_id}]",
            f'kind = "{kind}"',
            f"[apps.{app_id}.ios]",
            f'topic = "org.example.{kind}"',
            f'team_id = "{facts["apns_team_id"]}"',
            f'key_id = "{facts["apns_key_id"]}"',
            f"key_file = {json.dumps(str(sandbox / 'apns.p8'))}",
            'environment = "sandbox"',
            f'server = "localhost:{facts["apns_port"]}"',
            f"ca_file = {json.dumps(str(sandbox / 'ca.pem'))}",
            f"[apps.{app_id}.android]",
            f'project_id = "{facts["fcm_project_id"]}"',
            f"service_account_file = {json.dumps(str(sandbox / 'service-account.json'))}",
            f'endpoint = "https://localhost:{facts["fcm_port"]}"',
            f"ca_file = {json.dumps(str(sandbox / 'ca.pem'))}",
        ]
    return lines


class ProcessEnded(Exception):
    """A process of the demonstration ended before it was ready; the text is what it said last."""


@dataclass(frozen=True, slots=True)
class Started:
    """A process of the demonstration."""

    process: asyncio.subprocess.Process
    log: Path

    async def until(self, find: Callable[[], str]) -> str:
        """Return what is to be found, once it is; ProcessEnded where the process does not live."""
        async with asyncio.timeout(_START_TIMEOUT):
            while not (found := await asyncio.to_thread(find)):
                if self.process.returncode is not None:
                    said = (await asyncio.to_thread(_read, self.log)).strip()[-_LAST_WORDS:]
                    raise ProcessEnded(said or f"exit code {self.process.returncode}")
                await asyncio.sleep(0.05)
        return found

    def listening(self) -> str:
        """Return the port that the server says it listens on; '' while it does not."""
        found = _LISTENS.search(_read(self.log))
        return found[1] if found else ""


async def start_process(
    stack: AsyncExitStack,
    arguments: Sequence[str],
    log: Path,
    *,
    module: str = "schoolbell_server",
) -> Started:
    """Start a command of a program, such as `schoolbell-server`, that ends with the stack."""
    output = stack.enter_context(log.open("wb"))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,  # Ctrl-C is ours: the processes are drained in order
    )
    stack.push_async_callback(_stop, process)
    return Started(process, log)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_TIMEOUT)
        except TimeoutError:
            process.kill()
            await process.wait()


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
