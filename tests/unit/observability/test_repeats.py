"""Repeated lines are bounded, counted, and never lost without a word."""

from __future__ import annotations

import asyncio
import io
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from schoolbell_server.observability.log import (
    LogConfig,
    configure_logging,
    get_logger,
    tell_left_out,
)
from schoolbell_server.observability.repeats import BURST, INTERVAL, Repeats


class Clock:
    """A time that moves only when told."""

    time = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def root() -> Iterator[None]:
    """Give the root logger back as it was."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    logger.handlers = []
    yield
    logger.handlers, logger.level = handlers, level


def record(
    message: str = "deliveries not claimed", level: int = logging.WARNING, **fields: Any
) -> logging.LogRecord:
    made = logging.LogRecord("schoolbell_server.x", level, "", 0, message, (), None)
    vars(made).update(fields)
    return made


def test_the_first_are_written_and_then_a_few_a_minute_with_a_count() -> None:
    clock = Clock()
    repeats = Repeats(clock)
    assert sum(repeats.filter(record()) for _ in range(1_000)) == BURST
    clock.time += INTERVAL
    later = record()
    assert repeats.filter(later)
    assert vars(later)["left_out"] == 1_000 - BURST
    assert not repeats.filter(record())
    clock.time += INTERVAL * BURST
    again = record()
    assert repeats.filter(again)
    assert vars(again)["left_out"] == 1


def test_lines_of_one_sort_keep_no_other_out() -> None:
    repeats = Repeats(Clock())
    for _ in range(100):
        repeats.filter(record())
    assert repeats.filter(record("lease not renewed"))
    assert repeats.filter(record(reason="STORAGE_UNAVAILABLE"))
    assert not repeats.filter(record())


def test_what_callers_make_up_is_no_sort_of_its_own() -> None:
    repeats = Repeats(Clock())
    names = ("method", "request_id", "key_id", "district_id", "address", "cause", "user_id")
    for number in range(100):
        fields: dict[str, Any] = {name: f"{name}{number}" for name in names}
        repeats.filter(record("call", **fields))
    assert not repeats.filter(record("call", method="/made/up"))


def test_debug_lines_are_all_written() -> None:
    repeats = Repeats(Clock())
    assert all(repeats.filter(record(level=logging.DEBUG)) for _ in range(100))


def test_memory_is_bounded() -> None:
    repeats = Repeats(Clock())
    for number in range(5_000):
        repeats.filter(record(f"line {number}"))
    assert len(repeats._sorts) <= 1_000


@pytest.mark.usefixtures("root")
async def test_every_line_of_the_process_is_bounded_and_what_was_left_out_is_told() -> None:
    stream = io.StringIO()
    repeats = configure_logging(LogConfig(), stream)
    for _ in range(500):
        get_logger("schoolbell_server.pipeline.route").warning("deliveries not claimed")
    telling = asyncio.create_task(tell_left_out(repeats, interval=0.0))
    while "lines left out" not in stream.getvalue():  # noqa: ASYNC110 - logging has no event
        await asyncio.sleep(0)
    telling.cancel()
    lines = stream.getvalue().splitlines()
    assert len(lines) == BURST + 1
    assert re.search(rf"lines left out: deliveries not claimed left_out={500 - BURST}$", lines[-1])
