"""Districts: what an operator sets, the settings document, and the version of the facts."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.kinds import Kind
from schoolbell_server.domain.principal import Principal, PrincipalType
from schoolbell_server.domain.retention import AUDIT_RETENTION
from schoolbell_storage.codec import from_micros, to_micros
from schoolbell_storage.mapping import Mapper
from schoolbell_storage.rows import insert_into
from schoolbell_storage.settings_document import SettingsDocument, decode_settings, encode_settings
from schoolbell_storage.tables import calendar, change, district

_ROSTER = 0x5C_40_01_BE_12  # any number that nobody else uses


_FACTS_BITS = 52  # exact in every client's numbers


_OPERATORS = (
    "display_name",
    "time_zone",
    "locale",
    "currency_code",
    "licensed_kinds",
    "app_ids",
    "audit_retention",
)
"""What an operator may set at any time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistrictRow:
    """A district without its settings; `version` rises with every write of these fields."""

    district_id: str
    display_name: str
    time_zone: str
    locale: str
    currency_code: str
    licensed_kinds: frozenset[Kind]
    app_ids: tuple[str, ...]
    active_school_year: int | None
    version: int
    create_time: dt.datetime
    audit_retention: dt.timedelta = AUDIT_RETENTION
    """How long the audit log is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSettings:
    """A district's settings as last written; no update time means never."""

    enabled: bool
    document: SettingsDocument
    version: int
    update_time: dt.datetime | None
    updater: Principal | None


async def bump_facts(connection: AsyncConnection, district_id: str) -> bool:
    """Say that the district's facts change in this transaction; False: no such district.

    Locks the district's row, so that writers of its facts come one after the other. Called by
    every write of settings, licences, roster, display options, devices or subscriptions: after
    the devices and deliveries that it locks, for two that lock in different orders can wait for
    each other.
    """
    bumped = await connection.execute(
        update(district)
        .where(district.c.district_id == district_id)
        .values(facts_version=district.c.facts_version + 1)
    )
    return bool(bumped.rowcount)


async def move_roster(connection: AsyncConnection, district_id: str) -> None:
    """Say that rows of the district's roster, or its bars, change in this transaction.

    Called by everybody who writes them: an import that was run dry before is run dry anew.
    They are facts too; what is said of `bump_facts` holds.
    """
    await connection.execute(
        update(district)
        .where(district.c.district_id == district_id)
        .values(
            roster_version=district.c.roster_version + 1,
            facts_version=district.c.facts_version + 1,
        )
    )


async def roster_version(connection: AsyncConnection, district_id: str) -> int | None:
    """Return the version of a district's roster; None where there is no such district."""
    wanted = select(district.c.roster_version).where(district.c.district_id == district_id)
    return (await connection.execute(wanted)).scalar_one_or_none()


async def create_district(
    connection: AsyncConnection, row: DistrictRow, collapse_secret: bytes
) -> bool:
    """Store a new district, switched off; False if there is one already. The secret is sealed."""
    created = await connection.execute(
        insert_into(connection.dialect.name, district)
        .values(
            **_MAPPER.values(row),
            collapse_secret=collapse_secret,
            # Of a district that was deleted and comes again, nothing that was read before is taken
            # for what stands now.
            facts_version=secrets.randbits(_FACTS_BITS),
            update_time=to_micros(row.create_time),
            settings_update_time=0,
        )
        .on_conflict_do_nothing()
    )
    return bool(created.rowcount)


async def get_district(
    connection: AsyncConnection, district_id: str, *, lock: bool = False
) -> DistrictRow | None:
    """Return a district, or None; `lock` keeps it as it is until the transaction ends."""
    wanted = select(district).where(district.c.district_id == district_id)
    row = (await connection.execute(wanted.with_for_update() if lock else wanted)).first()
    return None if row is None else _MAPPER.decode(row)


async def lock_roster(connection: AsyncConnection, district_id: str) -> None:
    """Keep other writers of a district's roster away until the transaction ends.

    Not by the district's row, which every registration needs: an import takes long.
    """
    if connection.dialect.name == "postgresql":
        key = func.hashtextextended(district_id, _ROSTER)
        await connection.execute(select(func.pg_advisory_xact_lock(key)))


async def list_districts(
    connection: AsyncConnection, after: str, limit: int, only: Collection[str] | None = None
) -> Sequence[DistrictRow]:
    """Return a page of districts by id; `only` narrows it to these."""
    page = select(district).where(district.c.district_id > after)
    if only is not None:
        page = page.where(district.c.district_id.in_(list(only)))
    found = await connection.execute(page.order_by(district.c.district_id).limit(limit))
    return [_MAPPER.decode(row) for row in found]


async def update_district(
    connection: AsyncConnection, row: DistrictRow, now: dt.datetime
) -> DistrictRow:
    """Write what an operator sets, as the next version, and bump the facts."""
    values = _MAPPER.values(row)
    await connection.execute(
        update(district)
        .where(district.c.district_id == row.district_id)
        .values(
            **{name: values[name] for name in _OPERATORS},
            version=district.c.version + 1,
            update_time=to_micros(now),
            facts_version=district.c.facts_version + 1,
        )
    )
    written = await get_district(connection, row.district_id)
    assert written is not None, "the caller read the district in this transaction"
    return written


async def set_active_school_year(
    connection: AsyncConnection, district_id: str, school_year: int, now: dt.datetime
) -> None:
    """Make a school year the active one, and bump the facts."""
    await connection.execute(
        update(district)
        .where(district.c.district_id == district_id)
        .values(
            active_school_year=school_year,
            version=district.c.version + 1,
            update_time=to_micros(now),
            facts_version=district.c.facts_version + 1,
        )
    )


async def count_calendars(connection: AsyncConnection, district_id: str, school_year: int) -> int:
    """Return how many active calendars a school year has."""
    counted = select(func.count()).where(
        calendar.c.district_id == district_id,
        calendar.c.school_year == school_year,
        calendar.c.active,
    )
    return int((await connection.execute(counted)).scalar_one())


async def knows_balance(connection: AsyncConnection, district_id: str) -> bool:
    """Return whether a lunch balance was ever published, as far as changes are still kept."""
    lunch = select(change.c.change_id).where(
        change.c.district_id == district_id, change.c.kind == int(Kind.LUNCH_BALANCE)
    )
    return (await connection.execute(lunch.limit(1))).first() is not None


async def read_settings(
    connection: AsyncConnection, district_id: str, *, lock: bool = False
) -> StoredSettings | None:
    """Return a district's settings; None where there is no such district."""
    wanted = select(
        district.c.enabled,
        district.c.settings,
        district.c.settings_version,
        district.c.settings_update_time,
        district.c.settings_updater,
        district.c.settings_updater_type,
        district.c.settings_acting_user_id,
    ).where(district.c.district_id == district_id)
    row = (await connection.execute(wanted.with_for_update() if lock else wanted)).first()
    if row is None:
        return None
    written = row.settings_update_time
    return StoredSettings(
        enabled=row.enabled,
        document=decode_settings(row.settings),
        version=row.settings_version,
        update_time=from_micros(written) if written else None,
        updater=Principal(
            PrincipalType(row.settings_updater_type),
            row.settings_updater,
            row.settings_acting_user_id,
        )
        if row.settings_updater_type
        else None,
    )


async def write_settings(
    connection: AsyncConnection,
    district_id: str,
    *,
    enabled: bool,
    document: SettingsDocument,
    updater: Principal,
    now: dt.datetime,
) -> None:
    """Write a district's switch and settings, as the next version, and bump the facts."""
    await connection.execute(
        update(district)
        .where(district.c.district_id == district_id)
        .values(
            enabled=enabled,
            settings=encode_settings(document),
            settings_version=district.c.settings_version + 1,
            settings_update_time=to_micros(now),
            settings_updater=updater.id,
            settings_updater_type=int(updater.type),
            settings_acting_user_id=updater.acting_user_id,
            facts_version=district.c.facts_version + 1,
        )
    )


_MAPPER = Mapper(DistrictRow)
