"""SQLite finds what the hot path asks for by an index, without ever having counted its tables.

Its planner knows nothing of how many rows there are; a plan that walks a table, or a whole
district of it, makes every change cost more the larger the district is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from schoolbell_server.domain.change import ChangeKey
from schoolbell_storage.addresses import fetch_addresses, fetch_given_names
from schoolbell_storage.changes import (
    KeyClaim,
    claim_keys,
    fetch_changes,
    fetch_contents,
    known_keys,
)
from schoolbell_storage.claims import (
    claim_due,
    doubtful_cancelled,
    doubtful_on_other_facts,
    leased_on_other_facts,
    lock_expired,
    lock_leased,
    release,
    release_leases,
    waiting,
)
from schoolbell_storage.deliveries import fact_deliveries, fetch_deliveries, store_deliveries
from schoolbell_storage.delivery_queries import backlog
from schoolbell_storage.districts import set_active_school_year
from schoolbell_storage.engine import Storage
from schoolbell_storage.facts import lock_facts, store_facts
from schoolbell_storage.instances import dead_owners
from schoolbell_storage.roster_incoming import (
    IncomingRecord,
    analyze_incoming,
    create_incoming,
    encode_incoming,
    load_incoming,
)
from schoolbell_storage.roster_write import marking_students
from schoolbell_storage.world import fetch_world
from tests.storage.engines import POSTGRESQL, SQLITE, open_database
from tests.storage.rosters import MAPLE, START, add_district, family, school, write
from tests.storage.waiting import ROUTE, store
from tests.unit.domain.deliveries import waiting_delivery

Statement = tuple[str, Any]
_WALKED_ON_PURPOSE = (
    "SCAN batch",  # what the statement was given
    "SCAN due",  # what it has just claimed
    "SCAN revision",  # one row
)


@contextmanager
def statements() -> Iterator[list[Statement]]:
    """Collect what is executed in the block."""
    seen: list[Statement] = []

    def note(_c: Any, _cursor: Any, statement: str, given: Any, _ctx: Any, many: bool) -> None:
        seen.append((statement, given[0] if many else given))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def walks(folder: Path, executed: list[Statement]) -> list[tuple[str, str]]:
    """Return the steps of the plans that walk more than they were asked for."""
    (file,) = folder.glob("*.db")
    connection = sqlite3.connect(file)
    found = []
    for statement, given in executed:
        if statement.startswith(("BEGIN", "COMMIT")):
            continue
        for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", given):
            by_district_alone = step.endswith("(district_id=?)") and "SEARCH district" not in step
            walked = step.startswith("SCAN") and "VIRTUAL TABLE" not in step
            if by_district_alone or (walked and not step.startswith(_WALKED_ON_PURPOSE)):
                found.append((step, statement))
    connection.close()
    return found


async def the_hot_path(storage: Storage) -> None:
    """Do once what publishing and sending do for every batch."""
    key = ChangeKey(source="sis", change_id="1")
    name = (MAPLE, '["grade","a"]')
    await store(storage, waiting_delivery("a"))
    async with storage.write() as connection:
        await claim_keys(connection, [KeyClaim(MAPLE, key, "print")], START, 1)
        await known_keys(connection, [(MAPLE, key)])
        assert await fetch_world(connection, MAPLE, ["ann"], ["north:2027"], {})
        await lock_facts(connection, [name], START)
        await store_facts(connection, {name: "{}"}, START)
        assert await fact_deliveries(connection, [name])
        await fetch_changes(connection, [(MAPLE, key)])
        await fetch_contents(connection, [(MAPLE, key)])
        await fetch_addresses(connection, ["phone"])
        await fetch_given_names(connection, [(MAPLE, "ann")])
        places = await waiting(connection, ROUTE)
        claimed = await claim_due(connection, "me", ROUTE, places, START, 10)
        assert await lock_leased(connection, "me", ["a"])
        await fetch_deliveries(connection, ["a"], lock=True)
        await store_deliveries(connection, claimed)
        await lock_expired(connection, START, 10)
        await backlog(connection)
        await dead_owners(connection, "me")
        await release_leases(connection, ["other"])
        await release(connection, "me", ["a"])
        await leased_on_other_facts(connection, MAPLE, 1, "", 10)
        await doubtful_on_other_facts(connection, MAPLE, 1, "", 10)
        await doubtful_cancelled(connection, START, START)


async def test_nothing_is_walked_for_a_batch(tmp_path: Path) -> None:
    async with open_database(SQLITE, tmp_path) as storage:
        await add_district(storage)
        await write(storage, [*school("north"), *family("ann")])
        async with storage.write() as connection:
            await set_active_school_year(connection, MAPLE, 2027, START)
        with statements() as executed:
            await the_hot_path(storage)
    assert len(executed) > 20
    assert walks(tmp_path, executed) == []


@pytest.mark.postgresql
async def test_postgresql_marks_the_students_of_an_import_in_one_go(tmp_path: Path) -> None:
    """Not with a look through all of them for every account, once they outgrow its memory."""
    async with open_database(POSTGRESQL, tmp_path) as storage:
        await add_district(storage)
        async with storage.write(keep=False) as connection:
            await create_incoming(connection)
            await connection.execute(text("SET LOCAL work_mem = '64kB'"))
            await load_incoming(connection, encode_incoming(_many_families()))
            await analyze_incoming(connection)
            marking = marking_students(MAPLE).compile(
                dialect=connection.dialect, compile_kwargs={"literal_binds": True}
            )
            plan = list((await connection.execute(text(f"EXPLAIN {marking}"))).scalars())
    assert any("incoming_enrollment" in step for step in plan)
    assert not any("SubPlan" in step for step in plan), plan


def _many_families() -> Iterator[IncomingRecord]:
    families = (record for number in range(10_000) for record in family(f"s{number}", "elm"))
    for index, record in enumerate(families):
        yield IncomingRecord(index, record)


async def test_the_facts_of_a_batch_take_as_many_statements_as_those_of_one(
    tmp_path: Path,
) -> None:
    async with open_database(SQLITE, tmp_path) as storage:
        await add_district(storage)
        students = [f"s{number}" for number in range(50)]
        records = [*school("north"), *(record for name in students for record in family(name))]
        await write(storage, records)
        counts = []
        for asked in (students[:1], students):
            with statements() as executed:
                async with storage.read() as connection:
                    found = await fetch_world(connection, MAPLE, asked, ["north:2027"], {})
            assert found is not None and found.students.keys() == set(asked)
            counts.append(len([one for one, _ in executed if one.startswith("SELECT")]))
    assert counts == [8, 8]
