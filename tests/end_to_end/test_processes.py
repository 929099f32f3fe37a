"""`serve --processes`: several processes on one port, minded by their parent."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server.config.secret import Secret
from tests.end_to_end.process import PATIENCE, Process, processes
from tests.end_to_end.several import Scene, scene
from tests.end_to_end.streaming import DEVICES, settle, streaming_through
from tests.service.ports import free_port
from tests.service.whole import whole

CHANGES = 600
COUNT = 2
OPTIONS = ("--processes", str(COUNT))


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Scene, Process]]:
    """Serve by two processes of one parent."""
    async with scene(folder) as set_up:
        config = set_up.config()
        async with processes(set_up.service, folder, config, options=OPTIONS) as (parent,):
            yield set_up, parent


async def test_a_process_that_dies_is_followed_by_another_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as (set_up, parent), AsyncExitStack() as stack:
        # Each connection comes to one of the processes; together they reach both.
        clients = [
            await stack.enter_async_context(parent.client(access.ROLE_PUBLISHER)) for _ in range(8)
        ]
        async with streaming_through(clients, random.Random(1)) as streamed:
            await streamed.until_acknowledged(CHANGES)
            first, _ = children(parent)
            os.kill(first, signal.SIGKILL)
            await until(lambda: samples(parent, "schoolbell_processes_ended_total") == {"": 1})
            await until(lambda: samples(parent, "schoolbell_processes") == {"": COUNT})
            await streamed.until_acknowledged(len(streamed.acknowledged) + CHANGES)
        account = await settle(parent, streamed, set_up.service.sandbox.ledger)
        assert account.lost == 0
        assert account.deliveries >= 2 * CHANGES * DEVICES
        assert first not in children(parent)
        assert len(children(parent)) == COUNT
        assert any("process ended" in line for line in parent.log)
        assert set(samples(parent, "schoolbell_watchers")) == {"1", "2"}, "of each process"
        left = children(parent)
        assert await parent.terminate() == 0
    assert not any(alive(left)), "all drained before the parent ended"


async def test_processes_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, parent):
        left = children(parent)
        await parent.kill()
        await until(lambda: not any(alive(left)))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "--processes: SQLite has one server"),
        ("postgresql://nobody@127.0.0.1:{port}/nothing", "cannot be reached"),
    ],
)
async def test_what_no_process_can_serve_ends_the_server(
    tmp_path: Path, url: str, why: str
) -> None:
    async with whole(tmp_path) as service:
        storage = replace(service.config.storage, url=Secret(url.format(port=free_port())))
        config = replace(service.config, storage=storage)
        with pytest.raises(AssertionError, match=why):
            async with processes(service, tmp_path, config, options=OPTIONS):
                pass


def children(parent: Process) -> list[int]:
    """Return the processes of a parent."""
    listed = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text()
    return [int(one) for one in listed.split()]


def alive(pids: Iterable[int]) -> list[bool]:
    """Tell which processes live."""
    return [Path(f"/proc/{pid}/cmdline").exists() for pid in pids]


def samples(parent: Process, name: str) -> dict[str, float]:
    """Return a metric as the parent exports it, summed by the process that counted it."""
    url = f"http://{parent.config.server.metrics_listen}/metrics"
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        text = answer.read().decode()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name:
                process = sample.labels.get("process", "")
                found[process] = found.get(process, 0) + sample.value
    return found


async def until(reached: Callable[[], bool]) -> None:
    """Wait until something is so; it may block."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if await asyncio.to_thread(reached):
                return
            await asyncio.sleep(0.05)
