"""What is cancelled ends, also where a library swallows the first cancellation."""

from __future__ import annotations

import asyncio

import pytest

from schoolbell_server.background import stopping
from schoolbell_server.background.stopping import cancel_all


async def test_a_swallowed_cancellation_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "_AGAIN", 0.01)
    swallowed = 0

    async def deaf() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    tasks = [asyncio.create_task(deaf()), asyncio.create_task(asyncio.Event().wait())]
    await asyncio.sleep(0)
    await cancel_all(tasks)  # type: ignore[arg-type]
    assert swallowed == 3
    assert all(task.cancelled() for task in tasks)
