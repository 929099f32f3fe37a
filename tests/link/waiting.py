"""What waits on the broker, looked up as a hub that may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aio_pika.abc import AbstractChannel

from schoolbell_server.link.broker import connect
from schoolbell_server.link.wire import read_batch
from tests.link.linked import Linked

PATIENCE = 60.0  # seconds


@asynccontextmanager
async def channel_of_a_hub(link: Linked) -> AsyncIterator[AbstractChannel]:
    """Open a channel with a hub's own credentials."""
    connection = await connect(link.hub.config.broker)
    async with connection, connection.channel() as channel:
        yield channel


async def until_empty(link: Linked, queue: str) -> None:
    """Wait until no message waits in a queue."""
    await _until(link, queue, lambda waiting: waiting == 0)


async def until_messages(link: Linked, queue: str, count: int) -> None:
    """Wait until at least so many messages wait in a queue, whatever each holds."""
    await _until(link, queue, lambda waiting: waiting >= count)


async def _until(link: Linked, queue: str, enough: Callable[[int], bool]) -> None:
    """Wait until the number of messages in a queue is enough.

    No test may wait for an exact number of messages with deliveries: how many deliveries
    are in one message depends on how fast they come (`until_passed_on` counts them).
    """
    async with channel_of_a_hub(link) as channel, asyncio.timeout(PATIENCE):
        while True:
            found = await channel.declare_queue(queue, passive=True)
            if enough(found.declaration_result.message_count or 0):
                return
            await asyncio.sleep(0.05)


async def take_away(link: Linked, queue: str, count: int) -> None:
    """Take messages from a queue, and lose them, until they had so many deliveries.

    How many deliveries are in a message depends on how fast they come.
    """
    taken = 0
    async with channel_of_a_hub(link) as channel, asyncio.timeout(PATIENCE):
        found = await channel.get_queue(queue, ensure=False)
        while taken < count:
            message = await found.get(no_ack=True, fail=False)
            if message is None:
                await asyncio.sleep(0.05)
            else:
                taken += len(read_batch(message.body).deliveries)


async def until_passed_on(link: Linked, queue: str, count: int) -> None:
    """Wait until the messages in a queue have so many deliveries; they stay there."""
    seen = 0
    async with channel_of_a_hub(link) as channel, asyncio.timeout(PATIENCE):
        found = await channel.get_queue(queue, ensure=False)
        while seen < count:
            message = await found.get(fail=False)  # the end of the channel gives it back
            if message is None:
                await asyncio.sleep(0.05)
            else:
                seen += len(read_batch(message.body).deliveries)


async def waiting_bodies(link: Linked, queue: str) -> list[bytes]:
    """Return the bodies of the messages in a queue, as the broker has them; they stay there."""
    bodies = []
    async with channel_of_a_hub(link) as channel, asyncio.timeout(PATIENCE):
        found = await channel.get_queue(queue, ensure=False)
        while (message := await found.get(fail=False)) is not None:
            bodies.append(message.body)
    return bodies
