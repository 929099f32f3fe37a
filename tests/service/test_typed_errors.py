"""Every shape of call of both clients raises the classes of `schoolbell.errors`, and no others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner

from schoolbell import AsyncClient, Client, Connection, SchoolbellError
from schoolbell.cli.main import main
from schoolbell.errors import Unauthenticated
from schoolbell.v1.change_service_pb2 import StreamPublishChangesRequest
from schoolbell.v1.roster_service_pb2 import ImportRosterRequest
from schoolbell.v1.settings_service_pb2 import GetSettingsRequest
from schoolbell.v1.status_service_pb2 import WatchStatusRequest
from schoolbell_server.security.api_key import Role
from tests.service.middleware_server import running
from tests.unit.oneroster.extracts import Extract

PATIENCE = 30.0  # seconds


@asynccontextmanager
async def refusing(folder: Path) -> AsyncIterator[Connection]:
    """Serve, and return a connection whose key nobody knows."""
    async with running(folder) as service:
        authority = (folder / "tls" / "ca.pem").read_bytes()
        service.keys.new(Role.PUBLISHER)
        yield Connection(target=f"localhost:{service.port}", ca=authority, key="sb_nobody_x")


async def _requests(request: Any) -> AsyncIterator[Any]:
    yield request


async def iterate(stream: Any) -> None:
    async for _ in stream:
        pass


async def write(stream: Any) -> None:
    """Send until the end is noticed; then it has to say why."""
    while True:
        await stream.write(StreamPublishChangesRequest())
        await asyncio.sleep(0)


def _watch(client: AsyncClient) -> Any:
    return client.status.WatchStatus(WatchStatusRequest())


def _publish(client: AsyncClient) -> Any:
    return client.changes.StreamPublishChanges(_requests(StreamPublishChangesRequest()))


ASYNCHRONOUS: dict[str, Callable[[AsyncClient], Awaitable[Any]]] = {
    "unary": lambda client: client.settings.GetSettings(GetSettingsRequest()),
    "response stream, iterated": lambda client: iterate(_watch(client)),
    "response stream, read": lambda client: _watch(client).read(),
    "request stream": lambda client: client.roster.ImportRoster(_requests(ImportRosterRequest())),
    "both, iterated": lambda client: iterate(_publish(client)),
    "both, read": lambda client: _publish(client).read(),
    "an import": lambda client: client.import_roster([ImportRosterRequest()]),
    "a watch": lambda client: iterate(client.watch(WatchStatusRequest())),
}


@pytest.mark.parametrize("shape", ASYNCHRONOUS)
async def test_an_asynchronous_call_raises_a_typed_error(shape: str, tmp_path: Path) -> None:
    async with refusing(tmp_path) as connection, AsyncClient(connection) as client:
        with pytest.raises(Unauthenticated) as caught:
            async with asyncio.timeout(PATIENCE):
                await ASYNCHRONOUS[shape](client)
    assert caught.value.reason == "UNAUTHENTICATED"


async def test_writing_to_a_refused_stream_raises_a_typed_error(tmp_path: Path) -> None:
    async with refusing(tmp_path) as connection, AsyncClient(connection) as client:
        stream: Any = client.changes.StreamPublishChanges()
        with pytest.raises(SchoolbellError):
            await asyncio.wait_for(write(stream), PATIENCE)


def _all(responses: Iterator[Any]) -> list[Any]:
    return list(responses)


BLOCKING: dict[str, Callable[[Client], Any]] = {
    "unary": lambda client: client.settings.GetSettings(GetSettingsRequest()),
    "unary, with its call": lambda client: client.settings.GetSettings.with_call(
        GetSettingsRequest()
    ),
    "unary, later": lambda client: client.settings.GetSettings.future(
        GetSettingsRequest()
    ).result(),
    "response stream": lambda client: _all(client.status.WatchStatus(WatchStatusRequest())),
    "request stream": lambda client: client.roster.ImportRoster(iter([ImportRosterRequest()])),
    "both": lambda client: _all(
        client.changes.StreamPublishChanges(iter([StreamPublishChangesRequest()]))
    ),
    "a watch": lambda client: _all(client.watch(WatchStatusRequest())),
}


@pytest.mark.parametrize("shape", BLOCKING)
async def test_a_blocking_call_raises_a_typed_error(shape: str, tmp_path: Path) -> None:
    async with refusing(tmp_path) as connection:

        def call() -> None:
            with Client(connection) as client:
                BLOCKING[shape](client)

        with pytest.raises(Unauthenticated) as caught:
            await asyncio.wait_for(asyncio.to_thread(call), PATIENCE)
    assert caught.value.reason == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "command",
    [["roster", "import", "--oneroster"], ["--json", "watch"], ["roster", "students"]],
)
async def test_a_refused_command_ends_in_one_line(command: list[str], tmp_path: Path) -> None:
    if "--oneroster" in command:
        command = [*command, str(Extract().write(tmp_path))]
    async with refusing(tmp_path) as connection:
        environ = {
            "SCHOOLBELL_TARGET": connection.target,
            "SCHOOLBELL_KEY": connection.key,
            "SCHOOLBELL_CA_FILE": str(tmp_path / "tls" / "ca.pem"),
            "SCHOOLBELL_DISTRICT": "maple",
        }
        run = CliRunner(env=environ).invoke
        result = await asyncio.wait_for(asyncio.to_thread(run, main, command), PATIENCE)
    assert result.exit_code == 3
    assert not isinstance(result.exception, grpc.RpcError)
    lines = [line for line in result.output.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1
    start = '{"error": {"code": "UNAUTHENTICATED"' if "--json" in command else "Error: UNAUTH"
    assert lines[0].startswith(start)
