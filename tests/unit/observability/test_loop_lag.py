"""A stall is noticed, and gives what arrived during it time to be read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from schoolbell_server.observability.loop_lag import BEAT, GRACE, STALL, Limit, LoopLag


@dataclass
class Clock:
    """A clock that stands still unless it is set."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_late_look_is_a_stall_and_gives_grace_for_a_while() -> None:
    clock = Clock()
    lag = LoopLag(clock)
    with lag.measured(lambda _: None):
        assert lag.grace() == 0
        clock.now += BEAT + STALL / 2
        assert lag.grace() == 0, "a busy loop is no stall"
        clock.now += STALL
        assert lag.grace() == GRACE
        clock.now += 1.0
        assert lag.grace() == GRACE - 1.0, "one stall has one end, however often one looks"
        clock.now += GRACE
        assert lag.grace() == 0


async def test_nothing_is_a_stall_where_nobody_measures() -> None:
    clock = Clock()
    lag = LoopLag(clock)
    clock.now += 60.0
    assert lag.grace() == 0


async def test_time_that_is_over_by_itself_is_over() -> None:
    lag = LoopLag()
    with lag.measured(lambda _: None), pytest.raises(TimeoutError):
        async with lag.timeout(0.0):
            await asyncio.Event().wait()


async def test_what_arrived_during_a_stall_is_read_before_time_is_over() -> None:
    """Its time is over when the loop goes on, and what arrived takes some turns to be read."""
    clock = Clock()
    lag = LoopLag(clock)
    answered = asyncio.Event()
    with lag.measured(lambda _: None):
        async with lag.timeout(0.0):
            clock.now += 60.0
            asyncio.get_running_loop().call_later(3 * BEAT, answered.set)
            await answered.wait()


async def test_an_answer_that_did_not_arrive_is_waited_for_no_longer_than_the_grace() -> None:
    clock = Clock()
    lag = LoopLag(clock)

    async def wait_in_vain() -> None:
        async with lag.timeout(0.0):
            clock.now += 60.0
            await asyncio.Event().wait()

    with lag.measured(lambda _: None), pytest.raises(TimeoutError):
        await wait_in_vain()


async def test_every_look_is_handed_over() -> None:
    seen: list[float] = []
    looked = asyncio.Event()

    def observe(seconds: float) -> None:
        seen.append(seconds)
        looked.set()

    with LoopLag().measured(observe):
        await looked.wait()
    assert seen[0] >= 0


async def struck_by(limit: Limit) -> bool:
    """Wait under a limit; return whether it was its time that was over."""
    task = asyncio.current_task()
    assert task is not None
    limit.waiting.add(task)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if not limit.struck(task):
            raise
        assert task.cancelling() == 0
        return True
    return False


async def test_one_limit_strikes_all_who_wait_and_nobody_else() -> None:
    limit = LoopLag().limit(0.0)
    found = await asyncio.gather(struck_by(limit), struck_by(limit), asyncio.sleep(0, "answered"))
    assert list(found) == [True, True, "answered"]


async def test_whoever_is_cancelled_by_others_is_not_struck() -> None:
    limit = LoopLag().limit(3600.0)
    waiting = asyncio.create_task(struck_by(limit))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    limit.close()


async def test_a_limit_lets_in_what_arrived_during_a_stall() -> None:
    clock = Clock()
    lag = LoopLag(clock)
    with lag.measured(lambda _: None):
        limit = lag.limit(0.0)
        waiting = asyncio.create_task(struck_by(limit))
        clock.now += 60.0
        await asyncio.sleep(3 * BEAT)
        assert not waiting.done()
        assert await waiting, "and for no longer than the grace"


async def test_a_closed_limit_strikes_nobody() -> None:
    clock = Clock()
    lag = LoopLag(clock)
    with lag.measured(lambda _: None):
        limit = lag.limit(0.0)
        waiting = asyncio.create_task(struck_by(limit))
        await asyncio.sleep(0)
        limit.close()
        await asyncio.sleep(BEAT)
        assert not waiting.done()
        waiting.cancel()
