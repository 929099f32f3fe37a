"""What phones had chosen before choices were their users' is taken along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage import migrate as migrate_module
from schoolbell_storage.engine import open_storage
from schoolbell_storage.migrate import migrate
from tests.storage.engines import databases, empty_database

_BEFORE = "0002"
_GRADE, _LUNCH = 2, 4

DEVICES = [("phone", "mother"), ("tablet", "mother"), ("own", "ann"), ("fathers", "father")]
CHOICES: list[tuple[str, str, int, bool, str | None, int | None, int]] = [
    ("phone", "ann", _GRADE, True, '{"below":"70"}', 11, 100),
    ("tablet", "ann", _GRADE, False, None, 22, 200),
    ("phone", "ben", _GRADE, True, None, 33, 300),
    ("tablet", "ben", _GRADE, False, None, None, 299),
    ("phone", "ann", _LUNCH, True, None, None, 100),
    ("own", "ann", _GRADE, True, '{"below":"60"}', 44, 100),
    ("fathers", "ann", _GRADE, True, None, 55, 100),
    ("gone", "ann", _GRADE, True, None, None, 900),
]
"""(device_id, student_id, kind, enabled, condition, limit_time, update_time)"""


def _upgrade_before(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate_module._FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, _BEFORE)


async def _insert(connection: AsyncConnection, table: str, values: dict[str, Any]) -> None:
    columns, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    await connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({places})"), values)  # noqa: S608


async def _fill(connection: AsyncConnection) -> None:
    for device_id, user_id in DEVICES:
        device: dict[str, Any] = {
            "device_id": device_id,
            "district_id": "maple",
            "app_id": "student" if user_id == "ann" else "parent",
            "user_id": user_id,
            "installation_id": device_id,
            "address_hash": device_id,
        }
        device |= dict.fromkeys(("platform", "environment", "detail_level"), 1)
        times = ("register_time", "address_time", "last_seen_time", "update_time")
        device |= dict.fromkeys(times, 1)
        if device_id == "tablet":
            device |= {"retirement_reason": 5, "retire_time": 2}
        await _insert(connection, "device", device)
    names = ["device_id", "student_id", "kind", "enabled", "condition", "limit_time", "update_time"]
    for choice in CHOICES:
        await _insert(connection, "subscription", dict(zip(names, choice, strict=True)))


@databases()
async def test_the_latest_choice_of_a_persons_devices_becomes_the_persons(
    database: str, tmp_path: Path
) -> None:
    async with empty_database(database, tmp_path) as url:
        storage = open_storage(url)
        async with storage.write() as connection:
            await connection.run_sync(_upgrade_before)
            await _fill(connection)
        await migrate(storage)
        async with storage.read() as connection:
            found = await connection.execute(
                text(
                    "SELECT district_id, user_id, app_type, device_id, student_id, kind, enabled,"
                    " condition, limit_time, update_time FROM subscription"
                    " ORDER BY user_id, student_id, kind"
                )
            )
            rows = [tuple(row) for row in found]
            muted = await connection.execute(text("SELECT muted FROM device"))
            assert not any(muted.scalars())
        await storage.close()
    student, parent = 1, 2
    assert rows == [
        ("maple", "ann", student, "", "ann", _GRADE, True, '{"below":"60"}', 44, 100),
        ("maple", "father", parent, "", "ann", _GRADE, True, None, 55, 100),
        ("maple", "mother", parent, "", "ann", _GRADE, False, None, 22, 200),
        ("maple", "mother", parent, "", "ann", _LUNCH, True, None, None, 100),
        ("maple", "mother", parent, "", "ben", _GRADE, True, None, 33, 300),
    ]
