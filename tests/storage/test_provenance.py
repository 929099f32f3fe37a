"""Who set the facts of a change, and when."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

from schoolbell_server.domain.kinds import AppType, Kind
from schoolbell_server.domain.world import DisplayOptions, Subscription
from schoolbell_storage.audit import append_audit
from schoolbell_storage.display_options import write_display_options
from schoolbell_storage.districts import write_settings
from schoolbell_storage.engine import Storage
from schoolbell_storage.provenance import (
    DEFAULT,
    Provenance,
    ProvenanceQuery,
    SettingOrigin,
    fetch_provenance,
)
from schoolbell_storage.settings_document import SettingsDocument
from schoolbell_storage.subscriptions import Owner, replace_subscriptions
from tests.storage.actors import acting, person
from tests.storage.engines import databases, open_database
from tests.storage.phones import device, store
from tests.storage.rosters import MAPLE, START, add_district, family, school, write

LATER = START + dt.timedelta(hours=1)
ASKED = ProvenanceQuery(
    district_id=MAPLE,
    student_id="ann",
    kind=Kind.GRADE,
    calendar_ids=["north:2027"],
    user_ids=["ann", "ann-mother"],
)


async def _fetch(storage: Storage) -> Provenance:
    async with storage.read() as connection:
        return await fetch_provenance(connection, ASKED)


async def _audit(storage: Storage, caller: str, now: dt.datetime, target: str, field: str) -> None:
    async with storage.write() as connection:
        await append_audit(
            connection,
            district_id=MAPLE,
            now=now,
            actor=acting(caller),
            action="any",
            changes=[(target, {}, {field: True})],
        )


@databases()
async def test_what_nobody_set_has_no_origin(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        found = await _fetch(storage)
    assert found.settings == DEFAULT
    assert found.district == SettingOrigin("", START)
    stored = (found.calendars, found.display_options, found.users, found.relationships)
    assert not any(stored)
    assert not any((found.enrollments, found.devices, found.fields))
    assert not any((found.device_subscriptions, found.person_subscriptions))


@databases()
async def test_settings_are_their_updaters(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        async with storage.write() as connection:
            await write_settings(
                connection,
                MAPLE,
                enabled=True,
                document=SettingsDocument(),
                updater=person("ada"),
                now=LATER,
            )
        found = await _fetch(storage)
    assert found.settings == SettingOrigin("ada", LATER)


@databases()
async def test_each_field_is_whose_audit_entry_is_the_last(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await _audit(storage, "ada", START, "settings", "enabled")
        await _audit(storage, "bob", LATER, "settings", "enabled")
        await _audit(storage, "eve", LATER, "settings", "adult_students")
        await _audit(storage, "eve", LATER, "calendars/7", "licensed_kinds")
        found = await _fetch(storage)
    assert found.fields == {
        "enabled": SettingOrigin("bob", LATER),
        "adult_students": SettingOrigin("eve", LATER),
    }


@databases()
async def test_roster_rows_are_their_sources(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, [*school("north"), *family("ann", "north")], days=1)
        async with storage.write() as connection:
            await write_display_options(
                connection,
                MAPLE,
                {"north:2027": DisplayOptions()},
                updater="ada",
                now=LATER,
            )
        found = await _fetch(storage)
    imported = SettingOrigin("sis", START + dt.timedelta(days=1))
    assert found.calendars == {"north:2027": imported}
    assert found.display_options == {"north:2027": SettingOrigin("ada", LATER)}
    assert found.users == {"ann": imported, "ann-mother": imported}
    assert found.relationships == {"ann-mother": imported, "ann-father": imported}
    assert found.enrollments == {"ann@north": imported}


@databases()
async def test_choices_are_their_users_person_and_device_apart(
    database: str, tmp_path: Path
) -> None:
    person = Owner(district_id=MAPLE, user_id="ann-mother", app_type=AppType.PARENT)
    name = ("ann", Kind.GRADE)
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await store(storage, device("phone", district_id=MAPLE, user_id="ann-mother"))
        async with storage.write() as connection:
            for days, owner, names in (
                (1, person, [name]),
                (2, replace(person, device_id="phone"), [name]),
                (3, replace(person, app_type=AppType.STUDENT), [name]),
                (4, person, [("ben", Kind.GRADE), ("ann", Kind.ATTENDANCE)]),
                (5, replace(person, user_id="ann", app_type=AppType.STUDENT), [name]),
            ):
                chosen = dict.fromkeys(names, Subscription(enabled=True))
                now = START + dt.timedelta(days=days)
                await replace_subscriptions(connection, owner, chosen, now)
        found = await _fetch(storage)
    assert found.devices.keys() == {"phone"}
    assert found.device_subscriptions == {
        "phone": SettingOrigin("ann-mother", START + dt.timedelta(days=2))
    }
    assert found.person_subscriptions == {
        "ann": SettingOrigin("ann", START + dt.timedelta(days=5)),
        "ann-mother": SettingOrigin("ann-mother", START + dt.timedelta(days=1)),
    }
