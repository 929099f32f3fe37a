"""Bars in writes of a roster: a source sets, lifts and loses its own, and nobody else's."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from schoolbell_storage.bars import (
    DISTRICT,
    BarQuery,
    BarRow,
    bars_of_pair,
    lift_bar,
    list_bars,
    set_bar,
)
from schoolbell_storage.engine import Storage
from schoolbell_storage.roster_checks import ProblemCode
from schoolbell_storage.roster_guards import GuardsExceeded, RecordCounts
from schoolbell_storage.roster_records import Record, RecordName, RecordType, RelationshipRecord
from schoolbell_storage.world import facts_versions, fetch_world
from tests.storage.engines import databases, open_database
from tests.storage.rosters import MAPLE, START, add_district, family, school, write

PAIR = ("s1", "s1-father")
RELATIONSHIP = RelationshipRecord(
    student_id="s1", guardian_id="s1-father", relation="father", portal_enabled=True
)
BARRED = dataclasses.replace(RELATIONSHIP, barred=True)
FREE = dataclasses.replace(RELATIONSHIP, barred=False)
RELATIONSHIP_NAME = RecordName(RecordType.RELATIONSHIP, PAIR)
ROSTER: list[Record] = [*school("north"), *family("s1", "north")]


async def sources(storage: Storage, pair: tuple[str, str] = PAIR) -> list[str]:
    """Return who bars a (student, guardian)."""
    async with storage.read() as connection:
        return [row.source for row in await bars_of_pair(connection, MAPLE, pair)]


async def of_district(storage: Storage, pair: tuple[str, str] = PAIR) -> bool:
    student_id, guardian_id = pair
    row = BarRow(
        student_id=student_id, guardian_id=guardian_id, source=DISTRICT, set_time=START, comment="x"
    )
    async with storage.write() as connection:
        return await set_bar(connection, MAPLE, row)


@databases()
async def test_no_source_lifts_the_bar_of_another(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, [*ROSTER, *school("south")])
        await write(storage, [BARRED], source="court")
        await of_district(storage)
        for by_hand in (False, True):
            await write(storage, [FREE], days=1, source="sis", by_hand=by_hand)
            await write(storage, [RELATIONSHIP_NAME], days=2, source="sis", allow_bar_loss=True)
            await write(storage, [FREE], days=3, source="sis", by_hand=by_hand)
            assert await sources(storage) == ["", "court"]
        await write(storage, [BARRED], days=4, source="sis")
        assert await sources(storage) == ["", "court", "sis"]
        await write(storage, [FREE], days=5, source="court", allow_bar_loss=True)
        assert await sources(storage) == ["", "sis"]


@databases()
async def test_a_record_that_says_nothing_of_a_bar_keeps_it(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, ROSTER)
        assert await write(storage, [BARRED], days=1) == {
            RecordType.RELATIONSHIP: RecordCounts(updated=1)
        }
        again = await write(storage, ROSTER, days=2, full=True)
        same = await write(storage, [BARRED], days=3)
        assert await sources(storage) == ["sis"]
        async with storage.read() as connection:
            world = await fetch_world(connection, MAPLE, ["s1"], [], {})
            (row,) = await bars_of_pair(connection, MAPLE, PAIR)
    assert again[RecordType.RELATIONSHIP] == RecordCounts(unchanged=2)
    assert same[RecordType.RELATIONSHIP] == RecordCounts(unchanged=1)
    assert row.set_time == START + dt.timedelta(days=1)
    assert world is not None
    assert world.students["s1"].bars == {"s1-father": ("sis",)}


@databases()
@pytest.mark.parametrize("lossy", ["relationship", "student", "guardian", "missing", "lifted"])
async def test_a_bar_is_lost_only_where_that_is_allowed(
    database: str, lossy: str, tmp_path: Path
) -> None:
    others = [record for record in ROSTER if record != RELATIONSHIP]
    records: list[Record | RecordName] = {
        "relationship": [RELATIONSHIP_NAME],
        "student": [RecordName(RecordType.USER, ("s1",))],
        "guardian": [RecordName(RecordType.USER, ("s1-father",))],
        "missing": others,
        "lifted": [FREE],
    }[lossy]  # type: ignore[assignment]
    full = lossy == "missing"
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, [*ROSTER, *school("south")])
        await write(storage, [BARRED])
        await of_district(storage)
        async with storage.read() as connection:
            version = await facts_versions(connection, [MAPLE])
        with pytest.raises(GuardsExceeded) as refused:
            await write(storage, records, full=full)
        assert await sources(storage) == ["", "sis"]
        async with storage.read() as connection:
            assert await facts_versions(connection, [MAPLE]) == version
        await write(storage, records, full=full, allow_bar_loss=True)
        assert await sources(storage) == [""]
        async with storage.read() as connection:
            assert await facts_versions(connection, [MAPLE]) != version
    assert refused.value.excess.guard == "allow_bar_loss"
    assert [(one.code, str(one.name)) for one in refused.value.problems] == [
        (ProblemCode.BAR_LOST, "s1/s1-father")
    ]
    assert refused.value.problems[0].record_index == (None if full else 0)


@databases()
async def test_who_deactivates_by_hand_what_another_source_barred_is_stopped(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, ROSTER)
        await write(storage, [BARRED])
        with pytest.raises(GuardsExceeded):
            await write(storage, [RELATIONSHIP_NAME], source="office", by_hand=True)
        await write(
            storage, [RELATIONSHIP_NAME], source="office", by_hand=True, allow_bar_loss=True
        )
        assert await sources(storage) == ["sis"], "only its own source lifts it"
        await write(storage, [FREE], by_hand=True)
        assert await sources(storage) == []


@databases()
async def test_a_bar_that_the_same_write_sets_again_is_not_lost(
    database: str, tmp_path: Path
) -> None:
    gone = RecordName(RecordType.USER, ("s1-mother",))
    mother = dataclasses.replace(BARRED, guardian_id="s1-mother", relation="mother")
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, ROSTER)
        await write(storage, [mother])
        await write(storage, [gone, mother], by_hand=True)
        assert await sources(storage, ("s1", "s1-mother")) == ["sis"]


@databases()
async def test_a_bar_holds_without_a_relationship(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, [*ROSTER, *family("s2", "north")])
        stranger = ("s1", "s2-father")
        assert await of_district(storage, stranger)
        assert not await of_district(storage, stranger)
        relationship = RelationshipRecord(
            student_id="s1", guardian_id="s2-father", portal_enabled=True
        )
        await write(storage, [relationship], days=1)
        async with storage.read() as connection:
            world = await fetch_world(connection, MAPLE, ["s1", "s2"], [], {})
        assert world is not None
        assert world.students["s1"].bars == {"s2-father": ("",)}
        assert world.students["s2"].bars == {}
        async with storage.write() as connection:
            assert await lift_bar(connection, MAPLE, stranger, DISTRICT)
            assert not await lift_bar(connection, MAPLE, stranger, DISTRICT)


@databases()
async def test_bars_are_listed_by_student_person_and_origin(database: str, tmp_path: Path) -> None:
    pairs = [("s1", "s1-father"), ("s1", "s1-mother"), ("s2", "s1-father")]
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, [*ROSTER, *family("s2", "north")])
        for pair in pairs:
            await of_district(storage, pair)
        await write(storage, [BARRED])

        async def listed(**query: object) -> list[tuple[str, str, str]]:
            async with storage.read() as connection:
                asked = BarQuery(district_id=MAPLE, **query)  # type: ignore[arg-type]
                rows = await list_bars(connection, asked)
            return [(row.student_id, row.guardian_id, row.source) for row in rows]

        everything = await listed()
        assert everything == [
            ("s1", "s1-father", ""),
            ("s1", "s1-father", "sis"),
            ("s1", "s1-mother", ""),
            ("s2", "s1-father", ""),
        ]
        assert await listed(after=everything[0], limit=2) == everything[1:3]
        assert await listed(student_id="s2") == everything[3:]
        assert await listed(guardian_id="s1-mother") == everything[2:3]
