"""A district whose firewall lets one port out, 5671: all works; closed, it is told and survived."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from schoolbell.v1 import delivery_pb2, status_pb2
from schoolbell_server.address import Address
from schoolbell_server.demo.rabbitmq.broker import running_broker
from tests.end_to_end.process import Process, processes
from tests.link.firewalled import CannotMakeNetworks, Firewall, firewalled
from tests.link.linked import linked
from tests.service.following import following
from tests.service.ports import free_port
from tests.service.scene import STUDENT, phone, populate, publish, register, status_of, tasks

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
AMQPS = 5671
MINUTE = 60.0  # seconds
_TRY = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()
except OSError as error:
    sys.exit(f"not reached: {error}")
"""


@pytest.fixture
def firewall() -> Iterator[Firewall]:
    """Make the networks; where that is not allowed, say so, and in CI fail."""
    try:
        made = firewalled()
        network = made.__enter__()
    except CannotMakeNetworks as error:
        told = f"the firewall test makes network namespaces: {error}"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    try:
        yield network
    finally:
        made.__exit__(None, None, None)


async def test_one_open_port_is_enough_and_a_closed_one_is_told_and_drained(
    tmp_path: Path, firewall: Firewall
) -> None:
    listen = Address(firewall.inside, free_port())
    firewall.serve(listen.port)
    firewall.open(AMQPS)
    with running_broker(tmp_path / "rabbitmq", host=firewall.outside, port=AMQPS) as broker:
        _check_only_5671_is_open(firewall)
        async with linked(tmp_path, broker) as link, _relayed(listen):
            await populate(link.service)
            await register(link.service, phone(STUDENT))
            config = link.service.config
            there = replace(config, server=replace(config.server, listen=listen))
            async with (
                processes(link.service, tmp_path, there, prefix=firewall.prefix) as (server,),
                following(server) as followed,
            ):
                await publish(server, *tasks(1, 1))
                await followed.until_states(ACCEPTED)
                firewall.close(AMQPS)
                closed = time.monotonic()
                state = await _until(server, status_pb2.CONNECTIVITY_DISCONNECTED)
                assert time.monotonic() - closed < MINUTE
                (one,) = state.links
                assert (one.type, bool(one.reason)) == (status_pb2.LINK_TYPE_HUB, True)
                assert one.trouble in (
                    status_pb2.LINK_TROUBLE_TIMEOUT,
                    status_pb2.LINK_TROUBLE_CONNECTION_LOST,
                )
                await publish(server, *tasks(2, 3))
                firewall.open(AMQPS)
                await _until(server, status_pb2.CONNECTIVITY_CONNECTED)
                await followed.until_states(*[ACCEPTED] * 4)
            assert link.service.sandbox.ledger.totals().accepted == 4


def _check_only_5671_is_open(firewall: Firewall) -> None:
    """Check from within the district that another port of the same host is not reached."""
    with socket.create_server((firewall.outside, 0)) as other:
        outside = other.getsockname()[1]
        assert not _reaches(firewall, outside)
        firewall.open(outside)
        assert _reaches(firewall, outside), "it is the firewall that kept it away"
        firewall.close(outside)
    assert _reaches(firewall, AMQPS)


def _reaches(firewall: Firewall, port: int) -> bool:
    command = [*firewall.prefix, sys.executable, "-c", _TRY, firewall.outside, str(port)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


async def _until(
    server: Process, connectivity: status_pb2.Connectivity.ValueType
) -> status_pb2.ServiceState:
    """Wait until the link is so, and return the whole state."""
    async with asyncio.timeout(2 * MINUTE):
        while True:
            state = await status_of(server)
            if state.links[0].connectivity == connectivity:
                return state
            await asyncio.sleep(0.2)


@asynccontextmanager
async def _relayed(to: Address) -> AsyncIterator[None]:
    """Pass on what calls `localhost`, which the server's certificate is for."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(to.host, to.port)
        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)

    async with await asyncio.start_server(pass_on, "127.0.0.1", to.port):
        yield
