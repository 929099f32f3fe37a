"""Who set the facts that a change is judged by, and when."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.kinds import AppType, Kind
from schoolbell_storage.bars import BarRow, bars_of_students
from schoolbell_storage.codec import from_micros
from schoolbell_storage.rows import among, among_district
from schoolbell_storage.tables import (
    audit_entry,
    calendar,
    device,
    display_options,
    district,
    enrollment,
    relationship,
    subscription,
    user_account,
)

_DISTRICT_TARGETS = ("district", "active_school_year", "settings")
_RECENT = 500
"""Audit entries of a district that are looked through; beyond them the row's own time serves."""


@dataclass(frozen=True, slots=True)
class SettingOrigin:
    """Who set something (a source or a person), and when."""

    source: str
    update_time: dt.datetime | None


DEFAULT = SettingOrigin("default", None)
"""Of what nobody has set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The origin of every row that may be looked at; what is absent is not stored."""

    fields: Mapping[str, SettingOrigin]
    """Of the fields of the district and its settings, as far as the audit log knows them."""
    district: SettingOrigin
    settings: SettingOrigin
    calendars: Mapping[str, SettingOrigin]
    display_options: Mapping[str, SettingOrigin]
    users: Mapping[str, SettingOrigin]
    relationships: Mapping[str, SettingOrigin]
    """By the guardian's user_id."""
    bars: Mapping[tuple[str, str], SettingOrigin]
    """By the person's user_id and the source; of the district's own it is who set them."""
    enrollments: Mapping[str, SettingOrigin]
    devices: Mapping[str, SettingOrigin]
    device_subscriptions: Mapping[str, SettingOrigin]
    """By device_id, of the student and kind that were asked for."""
    person_subscriptions: Mapping[str, SettingOrigin]
    """By user_id, likewise, for the app in which the person sees the student."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenanceQuery:
    """Whose facts are looked at."""

    district_id: str
    student_id: str
    kind: Kind
    calendar_ids: Collection[str]
    user_ids: Collection[str]


async def fetch_provenance(connection: AsyncConnection, asked: ProvenanceQuery) -> Provenance:
    """Return the origins of the facts around one change; the district has to be there."""
    found = await connection.execute(
        select(district).where(district.c.district_id == asked.district_id)
    )
    row = found.one()
    of_devices, of_persons = await _subscriptions(connection, asked)
    same = relationship.c.student_id == asked.student_id
    own = enrollment.c.student_id == asked.student_id
    return Provenance(
        fields=await _audited(connection, asked.district_id),
        district=SettingOrigin("", from_micros(row.update_time)),
        settings=_settings(row),
        calendars=await _by_id(connection, asked, calendar.c.calendar_id, asked.calendar_ids),
        display_options=await _by_id(
            connection, asked, display_options.c.calendar_id, asked.calendar_ids
        ),
        users=await _by_id(connection, asked, user_account.c.user_id, asked.user_ids),
        relationships=await _where(connection, asked, relationship.c.guardian_id, same),
        bars=await _bars(connection, asked),
        enrollments=await _where(connection, asked, enrollment.c.enrollment_id, own),
        devices=await _devices(connection, asked),
        device_subscriptions=of_devices,
        person_subscriptions=of_persons,
    )


def _settings(row: Row[Any]) -> SettingOrigin:
    if not row.settings_update_time:
        return DEFAULT
    return SettingOrigin(
        row.settings_acting_user_id or row.settings_updater, from_micros(row.settings_update_time)
    )


async def _audited(connection: AsyncConnection, district_id: str) -> dict[str, SettingOrigin]:
    """Return who last set each field of the district and its settings."""
    entries = await connection.execute(
        select(
            audit_entry.c.caller,
            audit_entry.c.acting_user_id,
            audit_entry.c.create_time,
            audit_entry.c.after,
        )
        .where(
            audit_entry.c.district_id == district_id,
            audit_entry.c.target.in_(_DISTRICT_TARGETS),
        )
        .order_by(audit_entry.c.create_time.desc())
        .limit(_RECENT)
    )
    fields: dict[str, SettingOrigin] = {}
    for entry in entries:
        for name in json.loads(entry.after):
            by_whom = entry.acting_user_id or entry.caller
            fields.setdefault(name, SettingOrigin(by_whom, from_micros(entry.create_time)))
    return fields


async def _by_id(
    connection: AsyncConnection,
    asked: ProvenanceQuery,
    column: ColumnElement[Any],
    ids: Collection[str],
) -> dict[str, SettingOrigin]:
    return await _where(connection, asked, column, among(column, ids))


async def _where(
    connection: AsyncConnection,
    asked: ProvenanceQuery,
    column: ColumnElement[Any],
    condition: ColumnElement[bool],
) -> dict[str, SettingOrigin]:
    """Return the origins of a table's rows by one of its columns."""
    table = column.table
    by_whom = table.c.updater if "updater" in table.c else table.c.source
    found = await connection.execute(
        select(column.label("id"), by_whom.label("by_whom"), table.c.update_time).where(
            table.c.district_id == asked.district_id, condition
        )
    )
    return {row.id: SettingOrigin(row.by_whom, from_micros(row.update_time)) for row in found}


async def _devices(connection: AsyncConnection, asked: ProvenanceQuery) -> dict[str, SettingOrigin]:
    """Return the origins of devices: they are their users'."""
    found = await connection.execute(
        select(device.c.device_id, device.c.user_id, device.c.update_time).where(
            among_district(device.c.user_id, asked.district_id, asked.user_ids)
        )
    )
    return {
        row.device_id: SettingOrigin(row.user_id, from_micros(row.update_time)) for row in found
    }


async def _bars(
    connection: AsyncConnection, asked: ProvenanceQuery
) -> dict[tuple[str, str], SettingOrigin]:
    bars = await bars_of_students(connection, asked.district_id, [asked.student_id])
    return {
        (row.guardian_id, row.source): SettingOrigin(row.source or _setter(row), row.set_time)
        for rows in bars.values()
        for row in rows
    }


def _setter(row: BarRow) -> str:
    """Return who set a bar of the district; nobody in particular where that was not recorded."""
    return "district" if row.principal is None else row.principal.name


async def _subscriptions(
    connection: AsyncConnection, asked: ProvenanceQuery
) -> tuple[dict[str, SettingOrigin], dict[str, SettingOrigin]]:
    """Return the origins of what devices and persons saved, who are the same people."""
    found = await connection.execute(
        select(
            subscription.c.user_id,
            subscription.c.app_type,
            subscription.c.device_id,
            subscription.c.update_time,
        ).where(
            among_district(subscription.c.user_id, asked.district_id, asked.user_ids),
            subscription.c.student_id == asked.student_id,
            subscription.c.kind == int(asked.kind),
        )
    )
    devices, persons = {}, {}
    for row in found:
        origin = SettingOrigin(row.user_id, from_micros(row.update_time))
        if row.device_id:
            devices[row.device_id] = origin
        elif (row.app_type == AppType.STUDENT) == (row.user_id == asked.student_id):
            persons[row.user_id] = origin
    return devices, persons
