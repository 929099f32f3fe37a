"""A delivery that is handed over brings what it tells along, until the district's facts move."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from schoolbell_server.contract.changes import parse_change
from schoolbell_server.dispatch.preparer import Preparer
from schoolbell_server.domain.change import Change, ChangeKey
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.kinds import Kind
from schoolbell_storage.changes import ChangeRow, insert_changes
from schoolbell_storage.deliveries import fetch_deliveries
from schoolbell_storage.engine import Storage
from tests.service.scene import grade
from tests.storage.engines import databases, open_database
from tests.storage.rosters import MAPLE, START
from tests.storage.waiting import store
from tests.unit.domain.deliveries import waiting_delivery

STORED = grade("stored", 55).SerializeToString()
HANDED = parse_change(grade("handed", 55).SerializeToString())


async def told(storage: Storage, row: Delivery, version: int | None) -> Change | None:
    """Return what a delivery tells where the district's facts stand at a version."""
    nobody = cast(Any, None)
    preparer = Preparer(storage, {}, nobody, nobody, clock=nobody, replay=False)
    districts = (
        {} if version is None else {MAPLE: cast(Any, SimpleNamespace(facts_version=version))}
    )
    async with storage.read() as connection:
        found = await preparer._changes(connection, [row], districts)
    return found.get((row.district_id, row.key))


@databases()
async def test_what_was_handed_over_counts_until_the_facts_move(
    database: str, tmp_path: Path
) -> None:
    row = waiting_delivery("d", change=HANDED, facts_version=7)
    async with open_database(database, tmp_path) as storage:
        assert await told(storage, row, 7) is HANDED
        assert await told(storage, row, 8) is None, "what was taken away is not told"
        assert await told(storage, row, None) is None
        async with storage.write() as connection:
            await insert_changes(connection, [stored(row.key)])
        assert await told(storage, row, 7) is HANDED
        assert await told(storage, row, 8) == parse_change(STORED)


@databases()
async def test_what_is_read_brings_nothing_along(database: str, tmp_path: Path) -> None:
    row = waiting_delivery("d", change=HANDED)
    async with open_database(database, tmp_path) as storage:
        await store(storage, row)
        async with storage.read() as connection:
            found = (await fetch_deliveries(connection, ["d"]))["d"]
    assert found.change is None
    assert found == row


def stored(key: ChangeKey) -> ChangeRow:
    return ChangeRow(
        district_id=MAPLE,
        key=key,
        student_id="student",
        kind=Kind.GRADE,
        occur_time=START,
        accept_time=START,
        position=0,
        token_revision=1,
        deliveries=1,
        content=STORED,
        decision=b"",
    )
