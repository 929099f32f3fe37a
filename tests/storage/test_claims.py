"""Who is served first of what waits on a route, and who shares."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.kinds import DeliveryState, Platform
from schoolbell_storage.claims import claim_due, lock_leased, release, release_leases, waiting
from schoolbell_storage.deliveries import fetch_deliveries
from schoolbell_storage.engine import Storage
from tests.storage.engines import POSTGRESQL, databases, open_database
from tests.storage.rosters import START
from tests.storage.waiting import ROUTE, store
from tests.unit.domain.deliveries import waiting_delivery

NOW = START + dt.timedelta(minutes=1)
SECOND = dt.timedelta(seconds=1)


async def claim(storage: Storage, limit: int, owner: str = "me") -> Sequence[Delivery]:
    async with storage.read() as connection:
        places = await waiting(connection, ROUTE)
    async with storage.write() as connection:
        return await claim_due(connection, owner, ROUTE, places, NOW, limit)


def many(district_id: str, lane: int, count: int) -> list[Delivery]:
    return [
        waiting_delivery(
            f"{district_id}-{lane}-{number:03}",
            district_id=district_id,
            lane=lane,
            due_time=START + number * dt.timedelta(milliseconds=1),
        )
        for number in range(count)
    ]


def by_place(rows: Sequence[Delivery]) -> Counter[tuple[str, int]]:
    return Counter((row.district_id, row.lane) for row in rows)


@databases()
async def test_a_burst_of_one_district_leaves_the_others_their_share(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        await store(storage, *many("big", 4, 300), *many("elm", 4, 60), *many("oak", 4, 5))
        first = await claim(storage, 100)
        second = await claim(storage, 100)
    # A third each; what Oak leaves of its share is the others'.
    assert by_place(first) == {("big", 4): 48, ("elm", 4): 47, ("oak", 4): 5}
    assert by_place(second) == {("big", 4): 87, ("elm", 4): 13}
    assert not {row.delivery_id for row in first} & {row.delivery_id for row in second}


@databases()
async def test_attendance_of_anybody_goes_before_grades_of_all(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        await store(storage, *many("big", 4, 50), *many("elm", 0, 3), *many("big", 0, 2))
        claimed = await claim(storage, 10)
    assert by_place(claimed[:5]) == {("elm", 0): 3, ("big", 0): 2}
    assert by_place(claimed[5:]) == {("big", 4): 5}


@databases()
async def test_within_a_district_the_oldest_goes_first(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await store(storage, *reversed(many("big", 4, 5)))
        claimed = await claim(storage, 3)
    assert [row.delivery_id for row in claimed] == ["big-4-000", "big-4-001", "big-4-002"]


@databases()
async def test_what_is_leased_ended_of_another_route_or_not_due_stays(
    database: str, tmp_path: Path
) -> None:
    later = waiting_delivery("later", due_time=NOW + SECOND)
    async with open_database(database, tmp_path) as storage:
        await store(
            storage,
            waiting_delivery("held", state=DeliveryState.HELD),
            waiting_delivery("leased", lease_owner="other"),
            waiting_delivery("ended", state=DeliveryState.ACCEPTED),
            waiting_delivery("android", platform=Platform.ANDROID),
            waiting_delivery("student", app_id="student"),
            later,
        )
        claimed = await claim(storage, 10)
        again = await claim(storage, 10)
        async with storage.read() as connection:
            (place,) = await waiting(connection, ROUTE)
    assert [row.delivery_id for row in claimed] == ["held"]
    assert claimed[0].lease_owner == "me"
    assert again == []
    assert place.due_time == later.due_time


@databases()
async def test_only_the_owner_gives_back(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await store(storage, waiting_delivery("a", lease_owner="me"))
        async with storage.write() as connection:
            await release(connection, "other", ["a"])
            assert (await fetch_deliveries(connection, ["a"]))["a"].lease_owner == "me"
            await release(connection, "me", ["a"])
            assert (await fetch_deliveries(connection, ["a"]))["a"].lease_owner == ""


@pytest.mark.postgresql
async def test_two_servers_claim_at_once_and_share_nothing(tmp_path: Path) -> None:
    async with open_database(POSTGRESQL, tmp_path) as storage:
        await store(storage, *many("big", 4, 100))
        async with storage.read() as connection:
            places = await waiting(connection, ROUTE)
        async with storage.write() as mine, storage.write() as theirs:
            first = await claim_due(mine, "me", ROUTE, places, NOW, 60)
            second = await claim_due(theirs, "they", ROUTE, places, NOW, 60)
    assert (len(first), len(second)) == (60, 40)
    assert not {row.delivery_id for row in first} & {row.delivery_id for row in second}


@databases()
async def test_leases_of_the_dead_are_taken_back_and_counted(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await store(
            storage,
            waiting_delivery("a", lease_owner="dead"),
            waiting_delivery("b", lease_owner="dead"),
            waiting_delivery("c", lease_owner="alive"),
        )
        async with storage.write() as connection:
            assert await release_leases(connection, ["dead", "nobody"]) == 2
            assert await release_leases(connection, ["dead"]) == 0
            found = await fetch_deliveries(connection, ["a", "b", "c"])
    assert [row.lease_owner for _, row in sorted(found.items())] == ["", "", "alive"]
    assert [row.answer_lost for _, row in sorted(found.items())] == [True, True, False]


@databases()
async def test_only_what_is_still_leased_is_locked(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await store(
            storage,
            waiting_delivery("a", lease_owner="me", revision=3),
            waiting_delivery("b", lease_owner="other"),
            waiting_delivery("c"),
        )
        async with storage.write() as connection:
            standing = await lock_leased(connection, "me", ["a", "b", "c", "d"])
    assert standing == {"a": (3, False)}
