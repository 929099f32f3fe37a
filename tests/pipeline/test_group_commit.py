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


async def test_the_victim_of_a_deadlock_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    book = Book()
    book.faults = [Conflict("deadlock detected")] * 4
    async with running(book) as commits:
        answer = commits.enqueue("a")
    assert await answer == "A"
    assert book.groups == [["a"]] * 5
    again = [one for one in caplog.records if one.getMessage() == "transaction tried again"]
    assert len(again) == 4


async def test_a_storage_that_fails_is_everybodys_fault() -> None:
    book = Book()
    book.faults = [StorageUnavailable("gone")]
    async with running(book) as commits:
        answers = [commits.enqueue("a"), commits.enqueue("b")]
    assert book.groups == [["a", "b"]]
    for answer in answers:
        with pytest.raises(StorageUnavailable):
            await answer


class Turns:
    """A storage that commits when it is told to, and a clock that stands still."""

    def __init__(self, most: int = 8, few: int = 2) -> None:
        self.now = 100.0
        self.book = Book()
        self.commits: GroupCommit[str, str] = GroupCommit(
            self.book.commit, most, few, lambda: self.now
        )

    def publish(self, district_id: str, key_id: str, count: int, *, single: bool = False) -> None:
        for number in range(count):
            name = f"{district_id}{key_id}{number}"
            self.commits.enqueue(name, single=single, share=(district_id, key_id))

    async def served(self) -> list[list[str]]:
        task = asyncio.create_task(self.commits.run())
        await self.commits.drained()
        task.cancel()
        return self.book.groups


async def test_districts_and_their_keys_have_turns_and_each_keeps_its_order() -> None:
    turns = Turns()
    turns.publish("a", "1", 4)
    turns.publish("a", "2", 2)
    turns.publish("b", "1", 2)
    served = [name for group in await turns.served() for name in group]
    assert served == ["a10", "b10", "a20", "b11", "a11", "a21", "a12", "a13"]


async def test_a_call_of_its_own_does_not_wait_behind_a_posting() -> None:
    turns = Turns()
    turns.publish("a", "1", 6)
    turns.publish("b", "1", 1, single=True)
    assert await turns.served() == [["b10"], ["a10", "a11"], ["a12", "a13"], ["a14", "a15"]]


async def test_a_posting_does_not_wait_behind_all_calls() -> None:
    turns = Turns(most=2)
    turns.publish("a", "1", 2)
    turns.publish("b", "1", 4, single=True)
    assert await turns.served() == [["b10", "b11"], ["a10", "a11"], ["b12", "b13"]]


async def test_groups_are_small_only_while_several_callers_come() -> None:
    turns = Turns()
    turns.publish("a", "1", 4)
    assert await turns.served() == [["a10", "a11", "a12", "a13"]]
    turns.publish("b", "1", 1)
    turns.now += 0.5
    turns.publish("b", "1", 2)
    assert (await turns.served())[1:] == [["b10", "b10"], ["b11"]]
    turns.now += 10.0
    turns.publish("b", "1", 3)
    assert (await turns.served())[3:] == [["b10", "b11", "b12"]]


async def test_the_oldest_of_all_shares_is_the_oldest() -> None:
    turns = Turns()
    turns.publish("a", "1", 1)
    turns.now += 5.0
    turns.publish("b", "1", 1, single=True)
    turns.now += 1.0
    assert turns.commits.oldest == 6.0
    await turns.served()
    assert turns.commits.oldest == 0.0
