"""A connection that never opened goes without a trace, in whatever thread it is collected."""

from __future__ import annotations

import asyncio
import gc
import warnings

from yarl import URL

from schoolbell_server.link.broker import ReachedConnection


async def test_a_connection_that_is_collected_in_another_thread_warns_of_nothing() -> None:
    unopened = [
        ReachedConnection(URL("amqp://guest:guest@localhost:9/"), loop=asyncio.get_running_loop())
    ]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        await asyncio.to_thread(unopened.clear)
        await asyncio.to_thread(gc.collect)
    assert not warned
