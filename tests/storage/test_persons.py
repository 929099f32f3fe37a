"""A person is found by indexes, whatever the size of the district."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import select, text

from schoolbell_storage.facts import lock_facts, store_facts
from schoolbell_storage.persons import (
    Person,
    account,
    changes,
    erase,
    read_holding,
    records,
    relationships,
)
from tests.storage.aged import NOW
from tests.storage.engines import POSTGRESQL, databases, open_database, plan_of
from tests.storage.rosters import MAPLE

ANN = Person(district_id=MAPLE, user_id="ann", related=("ann-mother",))


@databases()
async def test_every_table_is_searched_by_an_index(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage, storage.write() as connection:
        if database == POSTGRESQL:
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
        for holding in (account(ANN), *records(ANN), changes(ANN), *relationships(ANN)):
            plan = await plan_of(connection, select(holding.table).where(holding.where))
            assert "Seq Scan" not in plan, plan
            assert f"SCAN {holding.table.name}" not in plan, plan
            if holding.record_type == "fact":
                assert "fact_key>" in plan or "fact_key >=" in plan.split("Filter")[0], plan


@databases()
async def test_a_students_facts_are_told_from_those_of_a_similar_id(
    database: str, tmp_path: Path
) -> None:
    """The order of keys is that of their bytes, whatever language the database speaks."""
    students = ("ann", "ann-1", "ann,", "Ann", "an", 'ann"', "änn", "ann\\", "annb")
    async with open_database(database, tmp_path) as storage:
        async with storage.write() as connection:
            names = [(MAPLE, key) for name in students for key in _keys(name)]
            await lock_facts(connection, names, NOW)
            await store_facts(connection, dict.fromkeys(names, "state"), NOW)
        for name in students:
            person = Person(district_id=MAPLE, user_id=name, related=())
            holdings = [one for one in records(person) if one.record_type == "fact"]
            async with storage.write() as connection:
                for holding, key in zip(holdings, _keys(name), strict=True):
                    page = await read_holding(connection, holding, None, 1000)
                    assert [row.fact_key for row in page.found] == [key]
                    assert await erase(connection, holding, 1000) == 1


def _keys(student_id: str) -> list[str]:
    kinds = ("assignment", "grade", "attendance", "lunch", "responsive")
    return [
        json.dumps([kind, student_id, "more"], separators=(",", ":"), ensure_ascii=False)
        for kind in kinds
    ]
