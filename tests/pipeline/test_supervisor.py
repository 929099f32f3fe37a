"""Background work that breaks begins anew, and takes neither others nor the server along."""

from __future__ import annotations

import asyncio
import logging

import pytest

from schoolbell_server.background.stopping import Stop
from schoolbell_server.background.supervisor import Supervisor
from schoolbell_server.observability.metrics import Metrics


async def test_work_that_breaks_begins_anew_and_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stop, metrics, turns, other = Stop(), Metrics(), 0, 0

    async def breaks() -> None:
        nonlocal turns
        turns += 1
        if turns < 4:
            raise TypeError("of a student")
        await stop.pause(3600)

    async def steady() -> None:
        nonlocal other
        while turns < 4:
            other += 1
            await asyncio.sleep(0)
        stop.ask()

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        supervisor = Supervisor(tasks, stop, metrics, first_pause=0.001)
        supervisor.start("route", breaks)
        supervisor.start("backlog", steady)
    assert turns == 4
    assert other > 3
    faults = metrics.registry.get_sample_value(
        "schoolbell_background_faults_total", {"kind": "route"}
    )
    assert faults == 3
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [vars(record)["task"] for record in errors] == ["route"] * 3


async def test_a_stop_ends_the_pause_after_a_fault() -> None:
    stop = Stop()

    async def breaks() -> None:
        asyncio.get_running_loop().call_soon(stop.ask)
        raise ValueError

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        Supervisor(tasks, stop, Metrics(), first_pause=3600).start("route", breaks)
