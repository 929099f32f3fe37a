"""Wait until a fault has struck."""

from __future__ import annotations

import asyncio

from schoolbell_sandbox.faults import FaultPlan

_PATIENCE = 60.0  # seconds, of a slow machine


async def until_struck(plan: FaultPlan, times: int = 1) -> None:
    """Wait until the first fault in force has befallen so many requests."""
    async with asyncio.timeout(_PATIENCE):
        while plan.counts()[0][2] < times:  # noqa: ASYNC110 - a plan tells nobody
            await asyncio.sleep(0.01)
