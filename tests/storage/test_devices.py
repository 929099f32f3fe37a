"""Devices are found, claimed and retired by the rules, whatever else the table holds."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from pathlib import Path

import pytest
from sqlalchemy import text

from schoolbell_server.domain.kinds import DeliveryState, RetirementReason
from schoolbell_storage.devices import (
    Claim,
    DeadToken,
    get_device,
    list_devices,
    lock_live_devices,
    lock_registrations,
    lock_rivals,
    retire_dead,
    retired,
    rivals,
    store_device,
    unsent_deliveries,
)
from schoolbell_storage.districts import bump_facts
from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import StorageUnavailable
from tests.storage.engines import POSTGRESQL, databases, open_database, plan_of
from tests.storage.phones import LATER, NOW, device, ids, read, store
from tests.storage.rosters import add_district
from tests.storage.waiting import store as store_deliveries
from tests.unit.domain.deliveries import waiting_delivery

SECOND = dt.timedelta(seconds=1)
PATIENCE = 60.0  # seconds, of a slow machine


@databases()
async def test_a_device_is_read_as_it_was_stored_and_only_by_its_user(
    database: str, tmp_path: Path
) -> None:
    live = device("a")
    gone = retired(device("b"), RetirementReason.STALE, LATER)
    async with open_database(database, tmp_path) as storage:
        await store(storage, live, gone)
        assert await read(storage, live) == live
        assert await read(storage, gone) == gone
        async with storage.read() as connection:
            assert await get_device(connection, "maple", "father", "a") is None
            assert await get_device(connection, "oak", "mother", "a") is None
            assert await get_device(connection, "maple", "mother", "c") is None
        moved = dataclasses.replace(live, locale="en", version=2, muted=True)
        async with storage.write() as connection:
            await store_device(connection, moved)
        assert await read(storage, live) == moved


def test_a_retired_device_keeps_no_address() -> None:
    gone = retired(device("a"), RetirementReason.UNREGISTERED, LATER)
    assert (gone.address, gone.address_hash) == (None, "")
    assert (gone.retirement_reason, gone.retire_time) == (RetirementReason.UNREGISTERED, LATER)
    assert (gone.version, gone.update_time) == (2, LATER)


@databases()
async def test_a_users_devices_come_page_by_page_and_retired_ones_when_asked_for(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        await store(
            storage,
            *(device(name) for name in "dbca"),
            device("e", user_id="father"),
            device("f", district_id="oak"),
            retired(device("g"), RetirementReason.STALE, LATER),
        )
        assert await ids(storage, retired_too=False) == ["a", "b", "c", "d"]
        assert await ids(storage) == ["a", "b", "c", "d", "g"]
        async with storage.read() as connection:
            page = await list_devices(connection, "maple", "mother", "b", 2)
        assert [row.device_id for row in page] == ["c", "d"]
        async with storage.write() as connection:
            live = await lock_live_devices(connection, "maple", "mother")
        assert [row.device_id for row in live] == ["a", "b", "c", "d"]


@databases()
async def test_a_claim_meets_its_own_device_and_every_live_rival(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        await store(
            storage,
            retired(device("own", installation_id="i"), RetirementReason.USER_CHANGED, NOW),
            device("on-installation", user_id="father", installation_id="i"),
            device("on-address", user_id="aunt", address_hash="h"),
            retired(
                device("long-gone", user_id="aunt", installation_id="i"),
                RetirementReason.USER_CHANGED,
                NOW,
            ),
            device("elsewhere", district_id="oak", installation_id="i", address_hash="h"),
            device("other-app", app_id="student", installation_id="i", address_hash="h"),
            device("unrelated"),
        )
        claim = Claim(user_id="mother", installation_id="i", address_hash="h")
        unaddressed = dataclasses.replace(claim, address_hash="")
        other = Claim(user_id="aunt", installation_id="j", address_hash="hash-unrelated")
        async with storage.write() as connection:
            found, without, both = [
                [row.device_id for row in await lock_rivals(connection, "maple", "parent", claims)]
                for claims in ([claim], [unaddressed], [unaddressed, other])
            ]
    assert found == ["on-address", "on-installation", "own"]
    assert without == ["on-installation", "own"]
    assert both == ["long-gone", "on-installation", "own", "unrelated"]


@databases()
async def test_rivals_are_found_by_indexes(database: str, tmp_path: Path) -> None:
    """A registration costs the same in a district of any size, also one of many in a batch."""
    claims = [
        Claim(user_id=f"u{number}", installation_id=f"i{number}", address_hash=f"h{number}")
        for number in range(50)
    ]
    async with open_database(database, tmp_path) as storage, storage.write() as connection:
        if database == POSTGRESQL:
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await plan_of(connection, rivals("maple", "parent", claims))
    for index in ("device_by_user", "device_live_installation", "device_live_address"):
        assert index in plan, plan


@databases()
@pytest.mark.parametrize("same", ["installation_id", "address_hash"])
async def test_the_database_itself_refuses_a_second_live_device(
    database: str, same: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        await store(storage, device("a", **{same: "same"}))
        with pytest.raises(StorageUnavailable):
            await store(storage, device("b", user_id="father", **{same: "same"}))
        await store(storage, device("c", district_id="oak", **{same: "same"}))
        await store(storage, device("d", app_id="student", **{same: "same"}))


@databases()
async def test_a_dead_token_retires_its_app_in_all_districts(database: str, tmp_path: Path) -> None:
    dead = [device("a", address_hash="h"), device("b", address_hash="h", district_id="oak")]
    alive = [
        device("c", address_hash="h", app_id="student"),
        device("d", address_hash="other"),
        device("e", address_hash="h", district_id="elm", address_time=LATER),
        device("f", address_hash="h", district_id="fir", address_time=LATER + SECOND),
    ]
    async with open_database(database, tmp_path) as storage:
        await store(storage, *dead, *alive)
        async with storage.write() as connection:
            touched = await retire_dead(connection, [DeadToken("parent", "h", LATER)], LATER)
            again = await retire_dead(connection, [DeadToken("parent", "h", LATER)], LATER)
            assert await retire_dead(connection, [], LATER) == set()
        assert touched == {"maple", "oak"}
        assert again == set()
        for row in dead:
            assert await read(storage, row) == retired(row, RetirementReason.TOKEN_DEAD, LATER)
        for row in alive:
            assert await read(storage, row) == row


@databases()
async def test_a_mass_death_is_taken_whole(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await store(storage, device("a"))
        tokens = [DeadToken("parent", f"hash-{number}", LATER) for number in range(5_000)]
        async with storage.write() as connection:
            touched = await retire_dead(
                connection, [*tokens, DeadToken("parent", "hash-a", LATER)], LATER
            )
        assert touched == {"maple"}


@databases()
async def test_what_waits_for_a_device_is_found_also_with_a_sender(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        await store_deliveries(
            storage,
            waiting_delivery("1", device_id="a"),
            waiting_delivery("2", device_id="a", state=DeliveryState.HELD),
            waiting_delivery("3", device_id="b", lease_owner="sender"),
            waiting_delivery("4", device_id="a", state=DeliveryState.ACCEPTED),
            waiting_delivery("5", device_id="a", state=DeliveryState.CANCELLED),
            waiting_delivery("6", device_id="c"),
        )
        async with storage.write() as connection:
            found = await unsent_deliveries(connection, ["a", "b"])
        assert sorted(found) == ["1", "2", "3"]


@pytest.mark.postgresql
async def test_registrations_of_an_app_take_turns(tmp_path: Path) -> None:
    order: list[str] = []
    async with open_database(POSTGRESQL, tmp_path) as storage:

        async def second(locked: asyncio.Event) -> None:
            async with storage.write() as connection:
                await lock_registrations(connection, "maple", "student")
                order.append("another app")
                locked.set()
                await lock_registrations(connection, "maple", "parent")
                order.append("second")

        async with storage.write() as connection:
            await lock_registrations(connection, "maple", "parent")
            other = asyncio.Event()
            task = asyncio.create_task(second(other))
            await asyncio.wait_for(other.wait(), PATIENCE)
            order.append("first")
        await asyncio.wait_for(task, PATIENCE)
    assert order == ["another app", "first", "second"]


@pytest.mark.postgresql
async def test_who_locks_a_device_and_then_its_district_meets_no_other_order(
    tmp_path: Path,
) -> None:
    async with open_database(POSTGRESQL, tmp_path) as storage:
        await add_district(storage)
        await store(storage, device("a", address_hash="h"))

        async def retire() -> None:
            async with storage.write() as connection:
                dead = [DeadToken("parent", "h", LATER)]
                for district_id in await retire_dead(connection, dead, LATER):
                    await bump_facts(connection, district_id)

        async with storage.write() as other:
            assert await get_device(other, "maple", "mother", "a", lock=True)
            retiring = asyncio.create_task(retire())
            await until_somebody_waits(storage, retiring)
            await bump_facts(other, "maple")
        await asyncio.wait_for(retiring, PATIENCE)


async def until_somebody_waits(storage: Storage, somebody: asyncio.Task[None]) -> None:
    """Wait until a transaction waits for a lock; fail where its task ends or never comes to it."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while asyncio.get_running_loop().time() < deadline:
        assert not somebody.done(), f"it waited for no lock: {somebody}"
        async with storage.read() as connection:
            if (await connection.execute(waiting)).scalar_one():
                return
        await asyncio.sleep(0.01)
    raise AssertionError(f"nobody waits for a lock after {PATIENCE:g} s")
