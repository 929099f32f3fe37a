"""What is committed together, what goes first, and whose fault is whose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from schoolbell_server.background.group_commit import GroupCommit
from schoolbell_storage.errors import Conflict, StorageUnavailable


class Book:
    """Commits words by writing them down; fails as it is told."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.faults: list[Exception] = []

    async def commit(self, words: Sequence[str]) -> Sequence[str]:
        self.groups.append(list(words))
        if self.faults:
            raise self.faults.pop(0)
        if "bad" in words:
            raise ValueError("bad")
        return [word.upper() for word in words]


@asynccontextmanager
async def running(book: Book, most: int = 3) -> AsyncIterator[GroupCommit[str, str]]:
    commits: GroupCommit[str, str] = GroupCommit(book.commit, most)
    yield commits
    task = asyncio.create_task(commits.run())
    await commits.drained()
    task.cancel()


async def test_what_queued_up_is_committed_together_in_its_order() -> None:
    book = Book()
    async with running(book) as commits:
        answers = [commits.enqueue(word) for word in ("a", "b", "c", "d")]
        heavy = commits.enqueue("heavy", 5)
    assert book.groups == [["a", "b", "c"], ["d"], ["heavy"]]
    assert [await answer for answer in answers] == ["A", "B", "C", "D"]
    assert await heavy == "HEAVY"


async def test_what_is_urgent_goes_first_and_alone() -> None:
    book = Book()
    async with running(book) as commits:
        for word in ("grade 1", "grade 2", "grade 3"):
            commits.enqueue(word)
        for word in ("absence 1", "absence 2"):
            commits.enqueue(word, urgent=True)
        assert commits.queued == 5
    assert book.groups == [["absence 1", "absence 2"], ["grade 1", "grade 2", "grade 3"]]
    assert commits.queued == 0


async def test_only_the_culprit_sees_its_fault() -> None:
    book = Book()
    async with running(book) as commits:
        good, bad = commits.enqueue("good"), commits.enqueue("bad")
    assert await good == "GOOD"
    with pytest.raises(ValueError, match="bad"):
        await bad


async def test_the_victim_of_a_deadlock_is_tried_again() -> None:
    book = Book()
    book.faults = [Conflict("deadlock detected")] * 4
    async with running(book) as commits:
        answer = commits.enqueue("a")
    assert await answer == "A"
    assert book.groups == [["a"]] * 5


async def test_a_storage_that_fails_is_everybodys_fault() -> None:
    book = Book()
    book.faults = [StorageUnavailable("gone")]
    async with running(book) as commits:
        answers = [commits.enqueue("a"), commits.enqueue("b")]
    assert book.groups == [["a", "b"]]
    for answer in answers:
        with pytest.raises(StorageUnavailable):
            await answer
