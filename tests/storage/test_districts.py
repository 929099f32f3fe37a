"""Districts, their settings and the version of their facts, on both databases."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

from sqlalchemy import delete, select

from schoolbell_server.domain.kinds import AdultStudentRule, AppType, DetailLevel, Kind, Platform
from schoolbell_server.domain.kinds.lunch_balance import LunchBalanceCondition
from schoolbell_server.domain.retention import Retention
from schoolbell_server.domain.world import (
    DisplayOptions,
    KindSettings,
    MinimumVersion,
    Subscription,
)
from schoolbell_storage import tables
from schoolbell_storage.districts import (
    bump_facts,
    count_calendars,
    create_district,
    get_district,
    list_districts,
    read_settings,
    set_active_school_year,
    update_district,
    write_settings,
)
from schoolbell_storage.settings_document import SettingsDocument, decode_settings, encode_settings
from schoolbell_storage.world import facts_versions
from tests.storage.actors import person
from tests.storage.engines import databases, open_database
from tests.storage.rosters import MAPLE, START, add_district, district, school, write

LATER = START + dt.timedelta(days=1)

EVERYTHING = SettingsDocument(
    detail_level=DetailLevel.DETAILED,
    kinds={Kind.GRADE: KindSettings(time_to_live=None, hold=dt.timedelta(minutes=5))},
    retention=Retention(changes=dt.timedelta(days=30)),
    adult_students=AdultStudentRule.STOP_AT_18,
    minimum_versions={("parent", Platform.IOS): MinimumVersion(os_version="15.2")},
    default_subscriptions={
        (AppType.PARENT, Kind.LUNCH_BALANCE): Subscription(
            enabled=True, condition=LunchBalanceCondition(below_balance=Decimal("7.5"))
        )
    },
    default_display_options=DisplayOptions(app_kinds={AppType.PARENT: frozenset({Kind.GRADE})}),
    enrollment_grace=dt.timedelta(0),
)


@databases()
async def test_a_district_is_stored_as_it_was_given(database: str, tmp_path: Path) -> None:
    kinds = frozenset({Kind.GRADE, Kind.LUNCH_BALANCE})
    row = district(licensed_kinds=kinds, app_ids=("parent", "student"))
    async with open_database(database, tmp_path) as storage:
        await add_district(storage, row)
        async with storage.read() as connection:
            assert await get_district(connection, MAPLE) == row
            assert await get_district(connection, "elm") is None


@databases()
async def test_a_district_is_created_once(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        async with storage.write() as connection:
            second = district(display_name="Another")
            assert not await create_district(connection, second, b"other secret")
        async with storage.read() as connection:
            stored = await get_district(connection, MAPLE)
    assert stored is not None
    assert stored.display_name == "Maple Unified"


@databases()
async def test_districts_are_listed_by_id(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        for name in ("oak", "elm", "maple"):
            await add_district(storage, district(name))
        async with storage.read() as connection:
            first = await list_districts(connection, "", 2)
            rest = await list_districts(connection, first[-1].district_id, 2)
            only = await list_districts(connection, "", 2, only=["oak"])
    assert [row.district_id for row in (*first, *rest)] == ["elm", "maple", "oak"]
    assert [row.district_id for row in only] == ["oak"]


@databases()
async def test_a_new_district_is_switched_off(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        async with storage.read() as connection:
            settings = await read_settings(connection, MAPLE)
    assert settings is not None
    assert not settings.enabled
    assert settings.document == SettingsDocument()
    assert settings.update_time is None


@databases()
async def test_settings_are_stored_as_they_were_given(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        async with storage.write() as connection:
            await write_settings(
                connection,
                MAPLE,
                enabled=True,
                document=EVERYTHING,
                updater=person("ada"),
                now=LATER,
            )
        async with storage.read() as connection:
            stored = await read_settings(connection, MAPLE)
    assert stored is not None
    assert (stored.enabled, stored.document) == (True, EVERYTHING)
    assert (stored.version, stored.update_time, stored.updater) == (2, LATER, person("ada"))


@databases()
async def test_every_write_of_facts_raises_their_version(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        versions = [0]
        row = district()
        async with storage.write() as connection:
            changed = dataclasses.replace(row, licensed_kinds=frozenset({Kind.GRADE}))
            assert (await update_district(connection, changed, LATER)).version == 2
        for step in ("update", "settings", "year", "bump"):
            async with storage.write() as connection:
                versions.append((await facts_versions(connection, [MAPLE]))[MAPLE])
                if step == "settings":
                    await write_settings(
                        connection,
                        MAPLE,
                        enabled=True,
                        document=EVERYTHING,
                        updater=person("ada"),
                        now=LATER,
                    )
                elif step == "year":
                    await set_active_school_year(connection, MAPLE, 2027, LATER)
                elif step == "bump":
                    assert await bump_facts(connection, MAPLE)
        async with storage.read() as connection:
            versions.append((await facts_versions(connection, [MAPLE]))[MAPLE])
    first = versions[1] - 1
    assert versions[1:] == [first + step for step in (1, 1, 2, 3, 4)]


@databases()
async def test_no_district_has_no_facts_to_bump(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage, storage.write() as connection:
        assert not await bump_facts(connection, "elm")


@databases()
async def test_the_active_year_is_one_and_its_calendars_are_counted(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, [*school("north"), *school("south")])
        async with storage.write() as connection:
            await set_active_school_year(connection, MAPLE, 2027, LATER)
            assert await count_calendars(connection, MAPLE, 2027) == 2
            assert await count_calendars(connection, MAPLE, 2026) == 0
            row = await get_district(connection, MAPLE)
    assert row is not None
    assert (row.active_school_year, row.version) == (2027, 2)


@databases()
async def test_a_locked_district_is_read_as_the_last_writer_left_it(
    database: str, tmp_path: Path
) -> None:
    """Twenty writers add one to what they read; no addition is lost."""
    async with open_database(database, tmp_path) as storage:
        await add_district(storage, district(display_name="0"))

        async def add_one() -> None:
            async with storage.write() as connection:
                row = await get_district(connection, MAPLE, lock=True)
                assert row is not None
                name = str(int(row.display_name) + 1)
                await update_district(
                    connection, dataclasses.replace(row, display_name=name), LATER
                )

        await asyncio.gather(*(add_one() for _ in range(20)))
        async with storage.read() as connection:
            row = await get_district(connection, MAPLE)
    assert row is not None
    assert row.display_name == "20"


@databases()
async def test_a_district_that_comes_again_shares_no_version_of_its_facts(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        versions = []
        for _ in range(2):
            async with storage.write() as connection:
                assert await create_district(connection, district(), b"sealed")
                found = await connection.execute(select(tables.district.c.facts_version))
                versions.append(found.scalar_one())
                await connection.execute(delete(tables.district))
        assert abs(versions[0] - versions[1]) > 1_000  # more than a set-up writes


def test_a_setting_that_a_stored_document_lacks_has_its_default() -> None:
    """A setting that is added later is in no document of before."""
    whole = json.loads(encode_settings(SettingsDocument()))
    for name in whole:
        lacking = {other: value for other, value in whole.items() if other != name}
        assert decode_settings(json.dumps(lacking)) == SettingsDocument()
    assert decode_settings(json.dumps(whole | {"retention": {}})).retention == Retention()


def test_a_part_of_a_setting_that_a_stored_document_lacks_has_its_default() -> None:
    """A row of before a field was added ends before it; of a newer server, it goes on."""
    settings = SettingsDocument(
        kinds={Kind.GRADE: KindSettings(hold=dt.timedelta(minutes=5))},
        minimum_versions={("parent", Platform.IOS): MinimumVersion(os_version="17")},
        default_subscriptions={(AppType.PARENT, Kind.GRADE): Subscription(enabled=True)},
        default_display_options=DisplayOptions(enabled=True),
    )
    whole = json.loads(encode_settings(settings))
    assert decode_settings(json.dumps(whole)) == settings
    for name in ("kinds", "minimum_versions", "default_subscriptions"):
        (row,) = whole[name]
        for other in (row[:-1], [*row, "of a newer server"]):
            assert decode_settings(json.dumps(whole | {name: [other]})) is not None
        shorter = decode_settings(json.dumps(whole | {name: [row[:-1]]}))
        assert getattr(shorter, name).keys() == getattr(settings, name).keys()
    for name in whole["default_display_options"]:
        options = {**whole["default_display_options"]}
        del options[name]
        found = decode_settings(json.dumps(whole | {"default_display_options": options}))
        assert found == settings
