"""A district of any size, written straight into the database before the server starts.

Every student has an app of their own and one or two guardians with one each, in turns: 2.5 devices
a student. Guardians chose what they want; students have the district's default.
"""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import common_pb2
from schoolbell_server.demo.district import push_token
from schoolbell_server.demo.stage import APPS, DISTRICT
from schoolbell_server.domain.kinds import AppType, DetailLevel, Kind, Platform, ProviderEnvironment
from schoolbell_server.domain.principal import START
from schoolbell_server.domain.world import KindSettings, Subscription, Term
from schoolbell_server.security.api_key import Role, new_api_key
from schoolbell_server.security.fingerprint import TokenFingerprints
from schoolbell_server.security.key_store import row_of
from schoolbell_server.security.sealer import Sealer
from schoolbell_storage import districts, tables
from schoolbell_storage.codec import to_micros
from schoolbell_storage.devices import DeviceRow, insert_devices
from schoolbell_storage.engine import Storage
from schoolbell_storage.keys import insert_key
from schoolbell_storage.migrate import migrate
from schoolbell_storage.roster_incoming import IncomingRecord, encode_incoming
from schoolbell_storage.roster_records import (
    CalendarRecord,
    EnrollmentRecord,
    Record,
    RelationshipRecord,
    SchoolRecord,
    UserRecord,
)
from schoolbell_storage.roster_write import RosterWrite, write_records
from schoolbell_storage.settings_document import SettingsDocument

DEVICES_PER_STUDENT = 2.5
_SCHOOL = 1_000  # students
_CHUNK = 2_000  # students written at once
_HALF_A_YEAR = dt.timedelta(days=182)
WANTED = (Kind.GRADE, Kind.ATTENDANCE)


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody with a phone."""

    user_id: str
    student_id: str
    app_id: str
    number: int
    """Of their phone, in the whole district."""


def student_id(number: int) -> str:
    """Return the id of a student."""
    return f"s{number:07d}"


def calendar_id(number: int) -> str:
    """Return the calendar of a student."""
    return f"c{number // _SCHOOL:04d}"


def noon_zone(now: dt.datetime) -> str:
    """Return a zone where it is about noon: no school day ends while it is measured."""
    behind = now.hour - 12
    return f"Etc/GMT{behind:+d}" if behind else "Etc/GMT"


async def write_district(
    storage: Storage,
    data_dir: Path,
    students: int,
    *,
    held: Collection[Kind] = (),
    wanted: Collection[Kind] = WANTED,
) -> dict[Role, str]:
    """Migrate, write the district and keys for all roles; return the credentials.

    Deliveries of the `held` kinds wait for an hour: what is measured then is accepting alone.
    Everybody is told of the `wanted` kinds.
    """
    now = dt.datetime.now(dt.UTC)
    await migrate(storage)
    sealer = Sealer.load(data_dir / "keys")
    fingerprints = TokenFingerprints.load(data_dir / "keys")
    async with storage.write() as connection:
        await _create(connection, sealer, now, held, wanted)
        credentials = await _keys(connection, now)
        write = RosterWrite(district_id=DISTRICT, source="bench", now=now)
        await write_records(connection, write, _batches(students, now.date()))
    for owners in _chunks(students):
        async with storage.write() as connection:
            await _write_phones(connection, list(owners), sealer, fingerprints, now, wanted)
    return credentials


async def _create(
    connection: AsyncConnection,
    sealer: Sealer,
    now: dt.datetime,
    held: Collection[Kind],
    wanted: Collection[Kind],
) -> None:
    row = districts.DistrictRow(
        district_id=DISTRICT,
        display_name="Bench",
        time_zone=noon_zone(now),
        locale="en",
        currency_code="USD",
        licensed_kinds=frozenset(Kind),
        app_ids=tuple(APPS),
        active_school_year=now.year,
        version=1,
        create_time=now,
    )
    secret = sealer.seal(secrets.token_bytes(32), DISTRICT.encode())
    await districts.create_district(connection, row, secret)
    hold = KindSettings(hold=dt.timedelta(hours=1))
    document = SettingsDocument(
        kinds=dict.fromkeys(held, hold),
        default_subscriptions={
            (app, kind): Subscription(enabled=True) for app in AppType for kind in wanted
        },
    )
    await districts.write_settings(
        connection, DISTRICT, enabled=True, document=document, updater=START, now=now
    )


async def _keys(connection: AsyncConnection, now: dt.datetime) -> dict[Role, str]:
    credentials = {}
    for role in (Role.PUBLISHER, Role.MONITOR, Role.MOBILE_BACKEND):
        key, credentials[role] = new_api_key(district_ids=[DISTRICT], role=role)
        await insert_key(connection, row_of(key, now, "bench", ""))
    return credentials


async def _batches(students: int, today: dt.date) -> AsyncIterator[bytes]:
    """Yield the roster as it waits to be imported."""
    index = 0
    for first in range(0, students, _CHUNK):
        batch: list[Record] = []
        for number in range(first, min(first + _CHUNK, students)):
            batch += records(number, today)
        yield encode_incoming(
            IncomingRecord(place, record) for place, record in enumerate(batch, index)
        )
        index += len(batch)


def records(number: int, today: dt.date) -> Iterator[Record]:
    """Yield what the roster has of a student, and of the school that begins with one."""
    start, end = today - _HALF_A_YEAR, today + _HALF_A_YEAR
    school, student = calendar_id(number), student_id(number)
    if number % _SCHOOL == 0:
        yield SchoolRecord(school_id=school, display_name=f"School {school}")
        yield CalendarRecord(
            calendar_id=school,
            school_id=school,
            school_year=today.year,
            start_date=start,
            end_date=end,
            terms=(Term(term_id="S1", name="S1", start_date=start, end_date=end),),
        )
    yield UserRecord(user_id=student, enabled=True, given_name="Ada", family_name="Lovelace")
    yield EnrollmentRecord(
        enrollment_id=student,
        student_id=student,
        calendar_id=school,
        start_date=start,
        portal_visible=True,
    )
    for guardian in _guardians(number):
        yield UserRecord(user_id=guardian, enabled=True, given_name="Anne", family_name="Byron")
        yield RelationshipRecord(
            student_id=student, guardian_id=guardian, relation="parent", portal_enabled=True
        )


def _guardians(number: int) -> tuple[str, ...]:
    names = (f"g{number:07d}a", f"g{number:07d}b")
    return names[: 1 + number % 2]


def _chunks(students: int) -> Iterator[Iterator[Owner]]:
    for first in range(0, students, _CHUNK):
        yield _owners(range(first, min(first + _CHUNK, students)))


def _owners(numbers: Iterable[int]) -> Iterator[Owner]:
    parent_app, student_app = APPS
    for number in numbers:
        student = student_id(number)
        yield Owner(student, student, student_app, 3 * number + 1)
        for place, guardian in enumerate(_guardians(number), start=2):
            yield Owner(guardian, student, parent_app, 3 * number + place)


async def _write_phones(
    connection: AsyncConnection,
    owners: Collection[Owner],
    sealer: Sealer,
    fingerprints: TokenFingerprints,
    now: dt.datetime,
    wanted: Collection[Kind],
) -> None:
    await insert_devices(
        connection, [_device(owner, sealer, fingerprints, now) for owner in owners]
    )
    wishes = [
        {
            "district_id": DISTRICT,
            "user_id": owner.user_id,
            "app_type": int(AppType.PARENT),
            "device_id": "",
            "student_id": owner.student_id,
            "kind": int(kind),
            "enabled": True,
            "update_time": to_micros(now),
        }
        for owner in owners
        if owner.user_id != owner.student_id
        for kind in wanted
    ]
    await connection.execute(insert(tables.subscription), wishes)


def _device(
    owner: Owner, sealer: Sealer, fingerprints: TokenFingerprints, now: dt.datetime
) -> DeviceRow:
    platform = (Platform.IOS, Platform.ANDROID)[owner.number % 2]
    device_id = str(uuid.uuid4())
    token = push_token(owner.number, common_pb2.Platform.ValueType(platform))
    return DeviceRow(
        device_id=device_id,
        district_id=DISTRICT,
        app_id=owner.app_id,
        user_id=owner.user_id,
        installation_id=f"phone-of-{owner.user_id}",
        platform=platform,
        environment=ProviderEnvironment.SANDBOX,
        fid=False,
        address=sealer.seal(token.encode(), device_id.encode()),
        address_hash=fingerprints.token_fingerprint(owner.app_id, token),
        address_tail=token[-4:],
        registration_ref="",
        os_version="18.2",
        app_version="5.3.1",
        locale="en",
        stay_logged_in=True,
        muted=False,
        detail_level=DetailLevel.DETAILED,
        register_time=now,
        address_time=now,
        last_seen_time=now,
        update_time=now,
    )
