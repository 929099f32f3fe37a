"""A stall is noticed, and gives what arrived during it time to be read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from schoolbell_server.observability.loop_lag import BEAT, GRACE, STALL, LoopLag


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
