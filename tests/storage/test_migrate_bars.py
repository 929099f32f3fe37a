"""The step to bars apart takes along what a database of the first schema holds."""

from __future__ import annotations

import json
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from schoolbell_storage import migrate as migrate_module
from schoolbell_storage.bars import BarQuery, list_bars
from schoolbell_storage.codec import from_micros
from schoolbell_storage.districts import lock_roster
from schoolbell_storage.engine import Storage, open_storage
from schoolbell_storage.migrate import migrate
from schoolbell_storage.roster import get_student
from schoolbell_storage.roster_checks import ProblemCode, Severity
from schoolbell_storage.roster_guards import Guards
from schoolbell_storage.roster_imports import ImportState, find_import, staged_batches
from schoolbell_storage.roster_write import RosterWrite, write_records
from tests.storage.engines import databases, empty_database
from tests.storage.rosters import MAPLE, START

_DISTRICT = """
    INSERT INTO district (district_id, display_name, time_zone, locale, currency_code,
        collapse_secret, create_time, update_time, settings_update_time)
    VALUES ('maple', 'Maple', 'UTC', 'en', 'USD', :secret, 1, 1, 0)
"""
_USER = """
    INSERT INTO user_account (district_id, user_id, student, enabled, source, update_time)
    VALUES ('maple', :user_id, true, true, 'sis', 1)
"""
_RELATIONSHIP = """
    INSERT INTO relationship (district_id, student_id, guardian_id, portal_enabled, barred,
        locally_set, active, source, update_time)
    VALUES ('maple', 's1', :guardian, true, :barred, :by_hand, :active, 'sis', 1000000)
"""
_RELATIONSHIPS = (
    ("g1", True, True, True),
    ("g2", True, False, True),
    ("g3", True, False, False),
    ("g4", False, False, True),
)
"""Guardian, barred, set by hand, active."""
_REPORT = {
    "counts": [],
    "problem_total": 1,
    "problems": [[-1, [3, "s9"], "birth_date", "bad"]],
    "portal_relationships": 0,
    "refusal": None,
}
_WAITING = {
    "1": [[0, False, "north", "North", ""]],
    "2": [[1, False, "y", "north", 2027, "2026-08-01", "2027-06-01", "[]"]],
    "4": [
        [2, False, "s1", "g4", "aunt", True, True, False, True, None, None],
        [3, True, "s1", "g2", None, None, None, None, None, None, None],
    ],
}


def _fill(connection: Connection) -> None:
    """Make the first schema and fill it."""
    config = Config()
    config.set_main_option("script_location", str(migrate_module._FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
    connection.execute(text(_DISTRICT), {"secret": b"sealed"})
    for user_id in ("s1", *(guardian for guardian, *_ in _RELATIONSHIPS)):
        connection.execute(text(_USER), {"user_id": user_id})
    for relationship in _RELATIONSHIPS:
        names = ("guardian", "barred", "by_hand", "active")
        connection.execute(text(_RELATIONSHIP), dict(zip(names, relationship, strict=True)))
    for import_id, validate_only, state in (
        ("checked", True, "applied"),
        ("done", False, "applied"),
        ("waiting", False, "applying"),
    ):
        connection.execute(
            text(
                "INSERT INTO roster_import (district_id, import_id, mode, source, validate_only, "
                "max_deactivated_percent, state, report, create_time, update_time) VALUES "
                "('maple', :id, 'delta', 'sis', :only, 7, :state, :report, 1, 1)"
            ),
            {"id": import_id, "only": validate_only, "state": state, "report": json.dumps(_REPORT)},
        )
    connection.execute(
        text("INSERT INTO roster_stage VALUES ('maple', 'waiting', 0, :records)"),
        {"records": json.dumps(_WAITING).encode()},
    )


@databases()
async def test_bars_imports_and_what_waits_are_taken_along(database: str, tmp_path: Path) -> None:
    async with empty_database(database, tmp_path) as url:
        storage = open_storage(url)
        async with storage.write() as connection:
            await connection.run_sync(_fill)
        await migrate(storage)
        assert await _bars(storage) == [("g1", ""), ("g2", "sis"), ("g3", "sis")]
        async with storage.read() as connection:
            student = await get_student(connection, MAPLE, "s1")
            checked = await find_import(connection, MAPLE, "checked")
            done = await find_import(connection, MAPLE, "done")
        assert student is not None and checked is not None and done is not None
        assert {one.record.guardian_id: len(one.bars) for one in student.relationships} == {
            "g1": 1,
            "g2": 1,
            "g3": 1,
            "g4": 0,
        }
        assert student.relationships[0].bars[0].set_time == from_micros(1_000_000)
        assert (checked.state, done.state) == (ImportState.VALIDATED, ImportState.APPLIED)
        assert done.header.guards == Guards(max_deactivated_percent=7)
        (problem,) = done.report.problems
        assert (problem.code, problem.severity) == (ProblemCode.UNSPECIFIED, Severity.ERROR)
        await _apply_waiting(storage)
        assert await _bars(storage) == [("g1", ""), ("g3", "sis"), ("g4", "sis")]
        await storage.close()


async def _bars(storage: Storage) -> list[tuple[str, str]]:
    async with storage.read() as connection:
        rows = await list_bars(connection, BarQuery(district_id=MAPLE))
    return [(row.guardian_id, row.source) for row in rows]


async def _apply_waiting(storage: Storage) -> None:
    write = RosterWrite(
        district_id=MAPLE, source="sis", now=START, guards=Guards(allow_bar_loss=True)
    )
    async with storage.write() as connection:
        await lock_roster(connection, MAPLE)
        await write_records(connection, write, staged_batches(connection, MAPLE, "waiting"))
    async with storage.read() as connection:
        student = await get_student(connection, MAPLE, "s1")
    assert student is not None
    aunt = student.relationships[3]
    assert (aunt.record.relation, aunt.record.adult_consent) == ("aunt", True)
    assert not student.relationships[1].origin.active
