"""Providers are reached through a proxy with HTTP CONNECT where nothing else leads out."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from schoolbell_server.domain.kinds import Outcome, Platform
from schoolbell_server.gateways.common.trouble import LinkTrouble
from tests.faults.sending import BOTH, sending

CREDENTIALS = "district:s3cret"


@dataclass
class Tunnels:
    """A proxy: it opens tunnels for those who show the credentials."""

    port: int = 0
    refuses: bool = False
    asked: list[str] = field(default_factory=list)
    """The places to which tunnels were asked for."""
    open: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{CREDENTIALS}@127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, place, _ = head.split(" ", 2)
        assert method == "CONNECT"
        self.asked.append(place)
        wanted = base64.b64encode(CREDENTIALS.encode()).decode()
        if self.refuses or f"Basic {wanted}" not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            writer.close()
            return
        host, _, port = place.rpartition(":")
        there, away = await asyncio.open_connection(host, int(port))
        self.open += [writer, away]
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pass(reader, away), _pass(there, writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def tunnels() -> AsyncIterator[Tunnels]:
    proxy = Tunnels()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for writer in proxy.open:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@pytest.mark.parametrize("platform", BOTH)
async def test_pushes_probes_and_tokens_go_through_the_proxy(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")  # the environment's is never used
    async with tunnels() as proxy, sending(platform, tmp_path, proxy=proxy.url) as there:
        results = await there.send(20)
        assert {result.outcome for result in results} == {Outcome.ACCEPTED}
        assert (await there.gateway.probe()).connected
        assert f"localhost:{there.listener.port}" in proxy.asked


@pytest.mark.parametrize("platform", BOTH)
async def test_a_proxy_that_refuses_is_told_and_loses_no_push(
    platform: Platform, tmp_path: Path
) -> None:
    async with tunnels() as proxy, sending(platform, tmp_path, proxy=proxy.url) as there:
        proxy.refuses = True
        (result,) = await there.send(1)
        assert result.outcome is Outcome.NOT_SENT
        health = await there.gateway.probe()
        assert not health.connected
        assert health.trouble is LinkTrouble.REFUSED
        assert "proxy" in health.reason
        assert "s3cret" not in repr((result, health))
        proxy.refuses = False
        await there.recover(probing=True)


async def test_without_a_proxy_the_environments_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tunnels() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with sending(Platform.IOS, tmp_path) as there:
            await there.warm()
        assert not proxy.asked
