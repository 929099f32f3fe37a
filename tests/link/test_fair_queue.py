"""A hub's room is shared by district, and attendance goes first."""

from __future__ import annotations

from schoolbell_server.hub.fair_queue import URGENT_AT_ONCE, FairQueue


async def test_a_district_that_floods_the_first_lane_takes_what_others_leave() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(100):
        await queue.put("flood", 0, number)
    for district in ("a", "b", "c"):
        await queue.put(district, 4, 0)
    first = [await queue.take() for _ in range(URGENT_AT_ONCE + 3)]
    assert [district for district, _, _ in first] == ["flood"] * URGENT_AT_ONCE + ["a", "b", "c"]


async def test_attendance_goes_before_what_waits_of_its_own_and_of_other_districts() -> None:
    queue: FairQueue[int] = FairQueue()
    for district in ("a", "b"):
        for number in range(5):
            await queue.put(district, 4, number)
    for _ in range(4):
        await queue.take()
    await queue.put("a", 0, 7)
    assert await queue.take() == ("a", 0, 7)


async def test_messages_of_a_lane_are_taken_in_their_order_and_none_is_lost() -> None:
    queue: FairQueue[int] = FairQueue()
    taken: list[tuple[str, int]] = []
    for number in range(20):
        await queue.put("a" if number % 3 else "b", number % 5, number)
        if number % 2:
            district, lane, item = await queue.take()
            taken.append((district, item))
            await queue.done(district, lane)
    while len(taken) < 20:
        district, lane, item = await queue.take()
        taken.append((district, item))
        await queue.done(district, lane)
    assert sorted(item for _, item in taken) == list(range(20))
