"""Long work in slices, so that everybody else on the event loop goes on beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from time import perf_counter
from typing import TypeVar

SLICE = 0.0005
"""Seconds that one piece of long work may keep the event loop to itself."""
_Item = TypeVar("_Item")


async def paced(items: Iterable[_Item]) -> AsyncIterator[_Item]:
    """Yield items, and let the event loop turn whenever a slice is over."""
    start = perf_counter()
    for item in items:
        yield item
        if perf_counter() - start >= SLICE:
            await asyncio.sleep(0)
            start = perf_counter()
