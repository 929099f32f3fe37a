"""Periodic work goes on whatever becomes of a turn, and what has to be stored is stored."""

from __future__ import annotations

import pytest

from schoolbell_server.background.periodic import Periodic, until_stored
from schoolbell_server.background.stopping import Stop
from schoolbell_storage.errors import StorageUnavailable
from tests.service.observed import logged


class Work:
    """Work whose first turns fail as they are told to, and whose last asks for the stop."""

    def __init__(self, *faults: Exception) -> None:
        self.stop = Stop()
        self.turns = 0
        self._faults = list(faults)

    async def __call__(self) -> int:
        self.turns += 1
        if self._faults:
            raise self._faults.pop(0)
        self.stop.ask()
        return self.turns


def periodic(work: Work, *, at_once: bool = False, at_end: bool = False) -> Periodic:
    return Periodic(
        task="tidying",
        work=work,
        interval=0.0,
        failure="not tidied",
        at_once=at_once,
        at_end=at_end,
    )


async def test_a_turn_that_fails_ends_neither_the_work_nor_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    work = Work(StorageUnavailable("disk full"))
    await periodic(work).run(work.stop)
    assert work.turns == 2
    assert logged(caplog, "not tidied", task="tidying", cause="disk full")


async def test_turns_at_once_and_at_the_end() -> None:
    work = Work()
    work.stop.ask()
    await periodic(work).run(work.stop)
    assert work.turns == 0
    await periodic(work, at_once=True, at_end=True).run(work.stop)
    assert work.turns == 2


async def test_what_storage_does_not_take_is_tried_until_it_does(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schoolbell_server.background.periodic.FAULT_PAUSE", 0.0)
    work = Work(StorageUnavailable("away"), StorageUnavailable("away"))
    assert await until_stored(work, "not stored", count=7) == 3
    assert len(logged(caplog, "not stored", cause="away", count=7)) == 2


async def test_another_fault_is_told_by_its_type_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schoolbell_server.background.periodic.FAULT_PAUSE", 0.0)
    work = Work(ValueError("Ada Lovelace scored 12"))
    assert await until_stored(work, "not stored", count=1, faults=Exception) == 2
    assert logged(caplog, "not stored", cause="ValueError")
    with pytest.raises(ValueError, match="Ada"):
        await until_stored(Work(ValueError("Ada")), "not stored", count=1)
