"""A connection that can never work ends with its reason; a real break is waited for, aloud."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import struct
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result

from schoolbell import AsyncClient, BadConnection, Connection
from schoolbell.cli.main import main
from schoolbell.errors import Unreachable
from schoolbell.mistakes import find_mistake
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.status_service_pb2 import WatchStatusRequest, WatchStatusResponse
from schoolbell.v1.status_service_pb2_grpc import (
    StatusServiceServicer,
    add_StatusServiceServicer_to_server,
)
from schoolbell_server.security.api_key import Role
from schoolbell_server.security.tls import ServerTls, TlsConfig
from tests.service.middleware_server import Service, running
from tests.service.ports import free_port

PATIENCE = 60.0  # seconds
KEY = "sb_00000000-0000-0000-0000-000000000000_secret"
FEED = '{"key":{"source":"sis","changeId":"c1"},"studentId":"ana"}\n'


def good(service: Service, folder: Path) -> Connection:
    return Connection(
        target=f"localhost:{service.port}",
        ca=(folder / "tls" / "ca.pem").read_bytes(),
        key=service.keys.new(Role.PUBLISHER),
    )


def stranger(folder: Path) -> bytes:
    """Return an authority that signed nobody's certificate."""
    tls = ServerTls(TlsConfig(), folder / "stranger")
    assert tls.authority is not None
    return tls.authority.ca_file.read_bytes()


@pytest.mark.parametrize("key", ["sb_a_b\r", "sb_a_b\nsb_c_d", "sb_a b", "sb_a_ü", "\ufeffsb_a_b"])
def test_a_key_that_no_header_can_hold_is_refused_at_once(key: str) -> None:
    with pytest.raises(BadConnection, match="holds no API key"):
        Connection(key=key)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "localhost",
        "localhost:",
        "localhost:https",
        "localhost:0",
        "localhost:70000",
        "https://localhost:7443",
        "localhost:7443/",
        "::1:7443",
        "user@localhost:7443",
        "local host:7443",
    ],
)
def test_a_target_that_names_no_host_and_port_is_refused_at_once(target: str) -> None:
    with pytest.raises(BadConnection, match="host:port"):
        Connection(target=target)


@pytest.mark.parametrize(
    "target", ["localhost:7443", "[::1]:7443", "10.0.0.1:1", "dns:///h:7443", "unix:/run/s.sock"]
)
def test_other_targets_are_taken(target: str) -> None:
    assert Connection(target=target).target == target


def test_an_authority_that_is_no_certificate_is_refused_at_once() -> None:
    with pytest.raises(BadConnection, match="PEM"):
        Connection(ca=b"not a certificate")


async def mistake_of(connection: Connection) -> str:
    return await asyncio.wait_for(asyncio.to_thread(find_mistake, connection), PATIENCE)


async def test_mistakes_are_told_from_what_works(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        connection = good(service, tmp_path)
        assert await mistake_of(connection) == ""
        untrusted = await mistake_of(replace(connection, ca=stranger(tmp_path)))
        assert untrusted == (
            "the server's certificate is not trusted: no authority that is known here signed it"
        )
        other_name = await mistake_of(replace(connection, target=f"127.0.0.2:{service.port}"))
        assert other_name == "" or "not trusted" in other_name  # nobody listens on 127.0.0.2
        plain = await mistake_of(replace(connection, plaintext=True))
        assert "TLS" in plain


async def test_a_server_without_tls_is_told(tmp_path: Path) -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        connection = Connection(target=f"localhost:{port}", ca=stranger(tmp_path))
        assert "does not speak TLS" in await mistake_of(connection)
        assert await mistake_of(replace(connection, plaintext=True)) == ""
    finally:
        await server.stop(None)


async def test_what_may_pass_is_no_mistake() -> None:
    assert await mistake_of(Connection(target=f"localhost:{free_port()}")) == ""
    assert "not known" in await mistake_of(Connection(target="no-such-host.invalid:7443"))


@asynccontextmanager
async def taken_on_ipv6(port: int) -> AsyncIterator[None]:
    """Listen on `::1` and close every connection, so that its error is gRPC's last one."""

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(close, "::1", port, family=socket.AF_INET6):
        yield


def test_a_connection_that_is_reset_is_no_mistake() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as threads:
        resetting = threads.submit(_reset, server, 20)
        target = f"127.0.0.1:{server.getsockname()[1]}"
        found = {find_mistake(Connection(target=target, key=KEY)) for _ in range(20)}
        resetting.result()
    assert found == {""}
    gc.collect()  # a socket that was left open would be told, and fail the test


def _reset(server: socket.socket, count: int) -> None:
    """Take so many connections, and reset each at once."""
    for _ in range(count):
        taken, _address = server.accept()
        with taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("busy", [False, True])
async def test_a_publisher_ends_with_the_reason_of_an_untrusted_certificate(
    tmp_path: Path, *, busy: bool
) -> None:
    async with running(tmp_path) as service:
        connection = replace(good(service, tmp_path), ca=stranger(tmp_path))

        async def publish() -> None:
            async with AsyncClient(connection) as client, client.publisher("maple") as publisher:
                await publisher.publish(Change())

        async with AsyncExitStack() as stack:
            if busy:
                await stack.enter_async_context(taken_on_ipv6(service.port))
            with pytest.raises(Unreachable, match="certificate is not trusted"):
                await asyncio.wait_for(publish(), PATIENCE)


def command(folder: Path, *arguments: str, **environ: str) -> Result:
    (folder / "feed.jsonl").write_text(FEED)
    settings = {"SCHOOLBELL_KEY": KEY, "SCHOOLBELL_DISTRICT": "maple"}
    return CliRunner(env=settings | environ).invoke(main, list(arguments))


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("arguments", [("changes", "publish"), ("status",), ("watch",)])
async def test_a_command_ends_with_the_reason(
    arguments: tuple[str, ...], tmp_path: Path, *, busy: bool
) -> None:
    (tmp_path / "stranger.pem").write_bytes(stranger(tmp_path))
    feed = (str(tmp_path / "feed.jsonl"),) if "publish" in arguments else ()
    async with running(tmp_path) as service:
        environ = {
            "SCHOOLBELL_TARGET": f"localhost:{service.port}",
            "SCHOOLBELL_CA_FILE": str(tmp_path / "stranger.pem"),
        }
        async with AsyncExitStack() as stack:
            if busy:
                await stack.enter_async_context(taken_on_ipv6(service.port))
            result = await asyncio.wait_for(
                asyncio.to_thread(command, tmp_path, *arguments, *feed, **environ), PATIENCE
            )
    assert result.exit_code == 5
    (line,) = result.output.splitlines()
    assert "certificate is not trusted" in line
    assert "--ca-file" in line
    assert str(tmp_path / "stranger.pem") in line


@pytest.mark.parametrize("key", ["sb_a_b\nsb_c_d", "sb_a b"])
def test_a_command_with_a_bad_key_ends_in_one_line(key: str, tmp_path: Path) -> None:
    feed = str(tmp_path / "feed.jsonl")
    result = command(tmp_path, "changes", "publish", feed, SCHOOLBELL_KEY=key)
    assert result.exit_code == 3
    assert "holds no API key" in result.output
    assert len(result.output.splitlines()) == 1


async def test_a_break_is_said_and_then_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "schoolbell")
    port = free_port()
    connection = Connection(target=f"127.0.0.1:{port}", key=KEY, plaintext=True)
    async with AsyncClient(connection) as client, asyncio.timeout(PATIENCE):
        watch = aiter(client.watch(_WATCH))
        first = asyncio.ensure_future(anext(watch))
        while "is away" not in caplog.text:  # noqa: ASYNC110 - logging has no event
            await asyncio.sleep(0.01)
        server = await _watchable(port)
        try:
            assert (await first).resume_token == "1"
        finally:
            await server.stop(None)
    assert "answers again" in caplog.text


_WATCH = WatchStatusRequest(district_id="maple")


class _Status(StatusServiceServicer):
    async def WatchStatus(self, request: Any, context: Any) -> AsyncIterator[WatchStatusResponse]:
        yield WatchStatusResponse(resume_token="1")


async def _watchable(port: int) -> grpc.aio.Server:
    server = grpc.aio.server()
    add_StatusServiceServicer_to_server(_Status(), server)  # type: ignore[abstract]
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    return server
