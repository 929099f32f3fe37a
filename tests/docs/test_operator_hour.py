"""An operator's first hour: from nothing to the first push, by the blocks of docs/operations.md.

What stands in them for the reader's own (host, Apple's and Google's files, the school year) is
replaced by a sandbox's, on this machine.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import shlex
import shutil
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from schoolbell import AsyncClient, Connection, read_key
from schoolbell.v1 import common_pb2
from schoolbell_server import sample
from schoolbell_server.demo.__main__ import ZONE
from schoolbell_server.demo.district import Phone, push_token, registration
from schoolbell_server.demo.stage import Started, start_process
from tests.docs.pages import Block, blocks, read, section
from tests.docs.played import activated, try_block
from tests.service.ports import free_port

USER = "g5001"
APP = "parent"  # as `init` names it


async def test_from_nothing_to_the_first_push(tmp_path: Path) -> None:
    setup, first_push = blocks(
        section(read("docs/operations.md"), "## From nothing to the first push"), "console"
    )
    year = written(tmp_path)
    async with AsyncExitStack() as stack:
        facts = await sandbox(stack, tmp_path)
        port = free_port()
        own = {
            "0.0.0.0:7443": f"127.0.0.1:{port}",
            "push.maple.example:7443": f"localhost:{port}",
            "push.maple.example": "localhost",
            "AuthKey_ABC1234567": f"AuthKey_{facts['apns_key_id']}",
            "ABCDE12345": str(facts["apns_team_id"]),
            "--active-year 2027": f"--active-year {year}",
            "--user USER": f"--user {USER}",
        }
        printed = {"FOLDER": "oneroster", "FILE": "relationships.csv", "YEAR": str(year)}
        copy_credentials(tmp_path, facts)
        install, *init, serve = joined(replaced(setup.text, own))
        assert install.startswith("pip install ."), "that is done here"
        said = await run(init, tmp_path)
        point_at_the_sandbox(tmp_path / "schoolbell.toml", facts)
        await begin(stack, serve, tmp_path)
        await run(
            [
                replaced(line, printed)
                for line in said.splitlines()
                if line.startswith("  schoolbell ")
            ],
            tmp_path,
        )
        *prepare, push = joined(replaced(first_push.text, own))
        told = await run(prepare, tmp_path)
        assert "Service Connectivity  CONNECTED" in told
        exports = [line for line in prepare if line.startswith("export ")]
        for number, platform in enumerate((common_pb2.PLATFORM_IOS, common_pb2.PLATFORM_ANDROID)):
            device = await register(port, tmp_path, Phone(USER, platform, push_token(1, platform)))
            assert device, number
            pushed = await run([*exports, push.replace("DEVICE", device)], tmp_path)
            assert "ACCEPTED" in pushed.upper(), pushed


def written(folder: Path) -> int:
    """Write the district's roster beside, and return its school year."""
    made = sample.write(folder / "sample", dt.datetime.now(dt.UTC), ZONE)
    shutil.move(made.roster, folder / "oneroster")
    shutil.move(made.relationships, folder / "relationships.csv")
    return made.school_year


async def sandbox(stack: AsyncExitStack, folder: Path) -> dict[str, Any]:
    """Start a sandbox; return what its `sandbox.json` says."""
    file = folder / "sandbox" / "sandbox.json"
    command = ["sandbox", "--dir", str(file.parent)]
    started = await start_process(stack, command, folder / "sandbox.log")
    facts: dict[str, Any] = json.loads(
        await started.until(lambda: file.read_text(encoding="utf-8") if file.exists() else "")
    )
    return facts


def copy_credentials(folder: Path, facts: dict[str, Any]) -> None:
    """Put the sandbox's credentials where the page has Apple's and Google's."""
    shutil.copy(folder / "sandbox" / "apns.p8", folder / f"AuthKey_{facts['apns_key_id']}.p8")
    shutil.copy(folder / "sandbox" / "service-account.json", folder)


def point_at_the_sandbox(config: Path, facts: dict[str, Any]) -> None:
    """Send the pushes of the app to the sandbox in place of Apple and Google."""
    ca = f"ca_file = {json.dumps(str(config.parent / 'sandbox' / 'ca.pem'))}\n"
    ios = f'server = "localhost:{facts["apns_port"]}"\nenvironment = "sandbox"\n{ca}'
    android = f'endpoint = "https://localhost:{facts["fcm_port"]}"\n{ca}'
    text = config.read_text(encoding="utf-8")
    for platform, lines in (("ios", ios), ("android", android)):
        head = f"[apps.{APP}.{platform}]\n"
        assert head in text
        text = text.replace(head, head + lines)
    config.write_text(text, encoding="utf-8")


def replaced(text: str, own: dict[str, str]) -> str:
    """Return a block with the reader's own in place of the page's, all of which it has."""
    for shown, value in own.items():
        text = text.replace(shown, value)
    return text


def joined(text: str) -> list[str]:
    """Return the commands of a block, each on one line and without its comment."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line.partition(" #")[0].strip() for line in lines]


async def run(commands: list[str], folder: Path) -> str:
    """Run commands in one shell; return what they printed."""
    return await try_block(Block("sh", "\n".join(commands)), folder, activated())


async def begin(stack: AsyncExitStack, command: str, folder: Path) -> None:
    """Start the server by its command, and wait until it takes calls."""
    log = folder / "server.log"
    output = stack.enter_context(log.open("wb"))
    process = await asyncio.create_subprocess_exec(
        *shlex.split(command), cwd=folder, env=activated(), stdout=output, stderr=output
    )

    async def end() -> None:
        if process.returncode is None:
            process.terminate()
        await process.wait()

    stack.push_async_callback(end)
    started = Started(process, log)
    await started.until(started.listening)


async def register(port: int, folder: Path, phone: Phone) -> str:
    """Register a phone as the app's backend does; return the device's id."""
    connection = Connection(
        target=f"localhost:{port}",
        key=read_key(folder / "keys" / "backend.key"),
        ca=(folder / "schoolbell-data" / "tls" / "ca.pem").read_bytes(),
    )
    request = registration(phone, set(), "maple")
    request.device.app_id = APP
    request.device.installation_id = push_token(1, phone.platform)[:32]
    async with AsyncClient(connection) as backend:
        return (await backend.devices.RegisterDevice(request)).device.device_id
