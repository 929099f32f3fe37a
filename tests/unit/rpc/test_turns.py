"""Long reads work few at a time, and let the loop turn."""

from __future__ import annotations

import asyncio

import pytest

from schoolbell.v1 import (
    access_service_pb2,
    change_service_pb2,
    device_service_pb2,
    roster_service_pb2,
    settings_service_pb2,
    status_service_pb2,
    subscription_service_pb2,
)
from schoolbell_server.rpc.turns import Turns
from schoolbell_server.security.permissions import HEAVY, RULES
from schoolbell_storage import pacing
from schoolbell_storage.pacing import paced

FILES = (
    access_service_pb2,
    change_service_pb2,
    device_service_pb2,
    roster_service_pb2,
    settings_service_pb2,
    status_service_pb2,
    subscription_service_pb2,
)


def test_every_rpc_that_answers_pages_is_bounded() -> None:
    paged = {
        f"/{service.full_name}/{method.name}"
        for file in FILES
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if "page_size" in method.input_type.fields_by_name
    }
    assert paged
    assert paged <= HEAVY
    assert set(RULES) >= HEAVY


async def working(reads: Turns, *keys: str) -> tuple[list[str], list[asyncio.Task[None]]]:
    """Start a read for each key, none of which ends by itself; return which of them work."""
    at_work: list[str] = []

    async def read(key: str) -> None:
        async with reads.turn(key):
            at_work.append(key)
            try:
                await asyncio.Event().wait()
            finally:
                at_work.remove(key)

    tasks = [asyncio.create_task(read(key)) for key in keys]
    for _ in range(10):
        await asyncio.sleep(0)
    return at_work, tasks


async def end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_key_has_so_many_reads_and_all_keys_so_many() -> None:
    reads = Turns(of_a_key=2, of_all=3)
    at_work, tasks = await working(reads, "a", "a", "a", "b", "b")
    assert sorted(at_work) == ["a", "a", "b"]
    await end(tasks[0])
    assert sorted(at_work) == ["a", "b", "b"] or sorted(at_work) == ["a", "a", "b"]
    await end(*tasks)
    at_work, tasks = await working(reads, "c", "c", "d")
    assert sorted(at_work) == ["c", "c", "d"]  # nothing was lost
    await end(*tasks)


async def test_long_work_lets_the_loop_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "SLICE", 0.0)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    found = [number async for number in paced(range(100))]
    counting.cancel()
    assert found == list(range(100))
    assert turns >= 90
