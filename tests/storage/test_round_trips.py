"""How often storage is asked: what is read or written for many takes few statements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from schoolbell_storage.deliveries import fetch_deliveries, store_accepted, store_deliveries
from schoolbell_storage.world import fetch_world
from tests.storage.engines import POSTGRESQL, SQLITE, databases, open_database
from tests.storage.rosters import MAPLE, add_district, family, school, write
from tests.storage.waiting import store
from tests.unit.domain.deliveries import waiting_delivery

FACTS = {SQLITE: 8, POSTGRESQL: 2}
"""The district's row, then seven tables."""


@contextmanager
def executed() -> Iterator[list[bool]]:
    """Collect the statements of the block: of each, whether it is run once for each row."""
    seen: list[bool] = []

    def note(_c: Any, _cursor: Any, text: str, _given: Any, _context: Any, many: bool) -> None:
        if not text.startswith("BEGIN"):
            seen.append(many)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@databases()
async def test_the_facts_of_many_students_take_few_statements(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, [*school("north"), *family("ann", "north"), *family("bob", "north")])
        async with storage.read() as connection:
            with executed() as seen:
                world = await fetch_world(connection, MAPLE, ["ann", "bob", "eve"], [], {})
    assert world is not None
    assert (set(world.students), set(world.calendars)) == ({"ann", "bob"}, {"north:2027"})
    people = [one.guardian.user_id for one in world.students["ann"].relationships]
    assert people == ["ann-father", "ann-mother"]
    assert len(seen) == FACTS[database]


@databases()
async def test_many_deliveries_are_one_statement(database: str, tmp_path: Path) -> None:
    rows = [waiting_delivery(f"d{number}") for number in range(30)]
    later = [replace(row, revision=7, provider_message_id=row.delivery_id) for row in rows]
    last = [replace(row, revision=8, answer_lost=True, hold_cause=None) for row in later]
    async with open_database(database, tmp_path) as storage:
        with executed() as seen:
            await store(storage, *rows)
        async with storage.write() as connection:
            with executed() as more:
                await store_accepted(connection, later)
                assert await fetch_deliveries(connection, [row.delivery_id for row in rows]) == {
                    row.delivery_id: row for row in later
                }
                await store_deliveries(connection, last)
            found = await fetch_deliveries(connection, [row.delivery_id for row in rows])
    assert found == {row.delivery_id: row for row in last}
    assert (seen, more) == ([database == SQLITE], [database == SQLITE, False, database == SQLITE])
