"""Notice where a consumer has ended, whether the broker says so or not.

RabbitMQ cancels a consumer whose queue is deleted, and leaves its channel open. Where a queue is
made again while its former self is being taken down, it does not: RabbitMQ 3.10 loses the consumer
without a word, or carries it over and drops what comes, whose numbers it takes for old ones. So the
broker is asked for consumers, soon after they begin and then less and less often; and as it counts
the second kind as one of its own, every consumer is begun anew in time, on another channel.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence

from aio_pika.abc import AbstractChannel
from pamqp.commands import Queue

from schoolbell_server.link.broker import FAULTS
from schoolbell_server.observability.log import get_logger

FIRST_LOOK, LONGEST_PAUSE = 2.0, 300.0  # seconds
_SLOWER = 4
"""A pause is so many times as long as the one before."""
AGAIN = 10.0
"""Seconds until what was wrong at a look is looked at again: a queue whose leader is silent for
longer is no better than one without a consumer."""

_logger = get_logger(__name__)

LONGEST_LIFE = 900.0
"""Seconds until a channel with consumers is begun anew, give or take a fifth."""

Wrong = Callable[[str, Queue.DeclareOk], bool]
"""Whether the state of a queue says that its consumer may be gone."""


def end_of_life() -> float:
    """Return when a channel whose consumers begin now is to end, by the monotonic clock."""
    return time.monotonic() + LONGEST_LIFE * random.uniform(0.8, 1.2)


async def on_cancelled(channel: AbstractChannel, act: Callable[[], None]) -> None:
    """Act where the broker says that a consumer of a channel has ended; call before it begins."""
    underlay = await channel.get_underlay_channel()
    underlay.on_consumer_cancel_callbacks.add(lambda _: act())


def watch_consumers(
    channel: AbstractChannel,
    queues: Sequence[str],
    act: Callable[[], None],
    *,
    wrong: Wrong = lambda _, state: not state.consumer_count,
) -> None:
    """Act where consumers of queues are gone, until the channel ends; call once they are there.

    Another's consumer of the same queue counts as ours: what it holds is taken from then.
    """
    # No timeout: an answer that does not come is a trouble of the connection, and ends with it.
    looking = asyncio.create_task(_watch(channel, queues, act, wrong), name="consumers")
    channel.close_callbacks.add(lambda *_: looking.cancel())


async def _watch(
    channel: AbstractChannel, queues: Sequence[str], act: Callable[[], None], wrong: Wrong
) -> None:
    pause, before = FIRST_LOOK, frozenset[str]()
    while not channel.is_closed:
        await asyncio.sleep(AGAIN if before else pause)
        pause = min(pause * _SLOWER, LONGEST_PAUSE)
        try:
            found = frozenset([name for name in queues if wrong(name, await _state(channel, name))])
        except FAULTS:
            act()
            return
        if found & before:
            _logger.warning(
                "consumers are gone", extra={"cause": ", ".join(sorted(found & before))}
            )
            act()
            return
        before = found


async def _state(channel: AbstractChannel, queue: str) -> Queue.DeclareOk:
    return (await channel.declare_queue(queue, passive=True)).declaration_result
