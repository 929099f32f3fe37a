"""Fetch the facts that a batch of changes is judged by, set-based: a fixed number of statements.

The district's row, with its `facts_version`, is read first: whatever a concurrent write adds
to the later statements has then already moved the version, and the check before each attempt
sees it. The rules themselves are the domain's; nothing here refuses anybody.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Set
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.condition import Condition
from schoolbell_server.domain.kinds import AppType, DetailLevel, Kind, Platform, RetirementReason
from schoolbell_server.domain.world import (
    CalendarFacts,
    DeviceFacts,
    DisplayOptions,
    DistrictFacts,
    EnrollmentFacts,
    RelationshipFacts,
    StudentFacts,
    Subscription,
    Term,
    UserFacts,
    World,
)
from schoolbell_storage.codec import optional_date, optional_time
from schoolbell_storage.conditions import decode_condition
from schoolbell_storage.rows import TEXT, among
from schoolbell_storage.settings_document import (
    SettingsDocument,
    decode_display_options,
    decode_settings,
)
from schoolbell_storage.tables import district
from schoolbell_storage.world_rows import PeopleRows, Rows, WorldRows, fetch_people, fetch_rows

Apps = Mapping[str, AppType]
"""The apps that this installation is configured for, by app_id."""
ALL_KINDS = frozenset(Kind)
_DISTRICT = select(district).where(district.c.district_id == bindparam("district", type_=TEXT))


async def fetch_world(
    connection: AsyncConnection,
    district_id: str,
    student_ids: Collection[str],
    calendar_ids: Collection[str],
    apps: Apps,
    kinds: Collection[Kind] = ALL_KINDS,
) -> World | None:
    """Return the facts for these students and calendars; None where the district is unknown.

    The calendars of the students' enrollments come along. Unknown students and calendars are
    simply absent from the world. Of the subscriptions those to these kinds are read.
    """
    found = await fetch_district(connection, district_id, apps)
    if found is None:
        return None
    return await fetch_facts(connection, found, student_ids, calendar_ids, kinds)


async def fetch_facts(
    connection: AsyncConnection,
    found: tuple[DistrictFacts, SettingsDocument],
    student_ids: Collection[str],
    calendar_ids: Collection[str],
    kinds: Collection[Kind] = ALL_KINDS,
) -> World:
    """Return what `fetch_world` does, of a district whose row this transaction has read."""
    facts, settings = found
    rows = await fetch_rows(connection, facts.district_id, student_ids, calendar_ids, kinds)
    return World(
        district=facts,
        calendars={row.calendar_id: _calendar(row, facts, settings) for row in rows.calendars},
        students=_students(rows, student_ids),
    )


async def fetch_district(
    connection: AsyncConnection, district_id: str, apps: Apps
) -> tuple[DistrictFacts, SettingsDocument] | None:
    """Return a district's facts and its settings, or None."""
    row = (await connection.execute(_DISTRICT, {"district": district_id})).first()
    if row is None:
        return None
    settings = decode_settings(row.settings)
    return _district(row, settings, apps), settings


async def facts_versions(
    connection: AsyncConnection, district_ids: Collection[str] | None = None
) -> dict[str, int]:
    """Return the present version of the facts of each of these districts; None is all."""
    wanted = select(district.c.district_id, district.c.facts_version)
    if district_ids is not None:
        wanted = wanted.where(among(district.c.district_id, district_ids))
    found = await connection.execute(wanted)
    return {row.district_id: row.facts_version for row in found}


def _district(row: Row[Any], settings: SettingsDocument, apps: Apps) -> DistrictFacts:
    return DistrictFacts(
        district_id=row.district_id,
        time_zone=row.time_zone,
        currency_code=row.currency_code,
        locale=row.locale,
        enabled=row.enabled,
        licensed_kinds=frozenset(Kind(kind) for kind in json.loads(row.licensed_kinds)),
        active_school_year=row.active_school_year,
        detail_level=settings.detail_level,
        adult_students=settings.adult_students,
        apps={app_id: apps[app_id] for app_id in json.loads(row.app_ids) if app_id in apps},
        kinds=settings.kinds,
        minimum_versions=settings.minimum_versions,
        default_subscriptions=settings.default_subscriptions,
        enrollment_grace=settings.enrollment_grace,
        facts_version=row.facts_version,
    )


def _enrollments(rows: Rows) -> dict[str, list[EnrollmentFacts]]:
    stays: dict[str, list[EnrollmentFacts]] = defaultdict(list)
    for row in rows:
        stays[row.student_id].append(
            EnrollmentFacts(
                enrollment_id=row.enrollment_id,
                calendar_id=row.calendar_id,
                start_date=dt.date.fromisoformat(row.start_date),
                end_date=optional_date(row.end_date),
                portal_visible=row.portal_visible,
            )
        )
    return stays


def _calendar(row: Row[Any], facts: DistrictFacts, settings: SettingsDocument) -> CalendarFacts:
    return CalendarFacts(
        calendar_id=row.calendar_id,
        school_id=row.school_id,
        school_year=row.school_year,
        start_date=dt.date.fromisoformat(row.start_date),
        end_date=dt.date.fromisoformat(row.end_date),
        time_zone=row.time_zone or facts.time_zone,
        terms=decode_terms(row.terms),
        display_options=_display_options(row.options, settings),
    )


def _display_options(stored: str | None, settings: SettingsDocument) -> DisplayOptions:
    if stored is None:
        return settings.default_display_options
    return decode_display_options(json.loads(stored), inherited=False)


@lru_cache(maxsize=1_000)
def decode_terms(text: str) -> tuple[Term, ...]:
    """Return a calendar's terms, stored as `[[term_id, name, start, end], …]`."""
    return tuple(
        Term(
            term_id=term_id,
            name=name,
            start_date=dt.date.fromisoformat(start),
            end_date=dt.date.fromisoformat(end),
        )
        for term_id, name, start, end in json.loads(text)
    )


def _students(rows: WorldRows, student_ids: Collection[str]) -> dict[str, StudentFacts]:
    enrollments, bars = _enrollments(rows.enrollments), _bars(rows.bars)
    users = _users(rows.people, student_ids)
    relationships: dict[str, list[RelationshipFacts]] = defaultdict(list)
    for row in rows.relationships:
        if row.guardian_id in users:
            relationships[row.student_id].append(_relationship(row, users[row.guardian_id]))
    return {
        name: StudentFacts(
            student=users[name],
            enrollments=tuple(enrollments.get(name, ())),
            relationships=tuple(relationships.get(name, ())),
            bars=bars.get(name, {}),
        )
        for name in student_ids
        if name in users
    }


def _bars(rows: Rows) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Return who bars whom, by student and person."""
    bars: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for student_id, guardian_id, source in rows:
        own = bars[student_id]
        own[guardian_id] = (*own.get(guardian_id, ()), source)
    return bars


def _relationship(row: Row[Any], guardian: UserFacts) -> RelationshipFacts:
    return RelationshipFacts(
        guardian=guardian,
        relation=row.relation,
        portal_enabled=row.portal_enabled,
        adult_consent=row.adult_consent,
        start_date=optional_date(row.start_date),
        end_date=optional_date(row.end_date),
        active=row.active,
    )


async def fetch_users(
    connection: AsyncConnection,
    district_id: str,
    user_ids: Collection[str],
    student_ids: Collection[str],
    kinds: Collection[Kind] = ALL_KINDS,
) -> dict[str, UserFacts]:
    """Return accounts with their devices and, for these students, what they chose."""
    return _users(await fetch_people(connection, district_id, user_ids, kinds), student_ids)


def _users(rows: PeopleRows, student_ids: Collection[str]) -> dict[str, UserFacts]:
    people, overrides = _subscriptions(rows.subscriptions, frozenset(student_ids))
    devices: dict[str, list[DeviceFacts]] = defaultdict(list)
    for row in rows.devices:
        devices[row.user_id].append(device_facts(row, overrides.get(row.device_id, {})))
    return {
        row.user_id: UserFacts(
            user_id=row.user_id,
            enabled=row.enabled,
            active=row.active,
            birth_date=optional_date(row.birth_date),
            devices=tuple(devices.get(row.user_id, ())),
            subscriptions=people.get(row.user_id, {}),
        )
        for row in rows.users
    }


def device_facts(
    row: Row[Any], subscriptions: Mapping[tuple[str, Kind], Subscription]
) -> DeviceFacts:
    """Return a device's row as facts."""
    retired = row.retirement_reason
    return DeviceFacts(
        device_id=row.device_id,
        user_id=row.user_id,
        app_id=row.app_id,
        platform=Platform(row.platform),
        os_version=row.os_version,
        app_version=row.app_version,
        stay_logged_in=row.stay_logged_in,
        muted=row.muted,
        detail_level=DetailLevel(row.detail_level),
        locale=row.locale,
        retirement=None if retired is None else RetirementReason(retired),
        subscriptions=subscriptions,
    )


def _subscriptions(
    rows: Rows, students: Set[str]
) -> tuple[
    dict[str, dict[tuple[AppType, str, Kind], Subscription]],
    dict[str, dict[tuple[str, Kind], Subscription]],
]:
    """Return what people chose by user_id, and what devices override of it by device_id."""
    # A person has few students: to look for each of the batch's for each person costs more.
    people: dict[str, dict[tuple[AppType, str, Kind], Subscription]] = defaultdict(dict)
    overrides: dict[str, dict[tuple[str, Kind], Subscription]] = defaultdict(dict)
    for user_id, app, device_id, student_id, kind, enabled, condition, limit_time in rows:
        if student_id not in students:
            continue
        chosen = Subscription(
            enabled=enabled, condition=_condition(condition), limit_time=optional_time(limit_time)
        )
        if device_id:
            overrides[device_id][student_id, Kind(kind)] = chosen
        else:
            people[user_id][AppType(app), student_id, Kind(kind)] = chosen
    return people, overrides


@lru_cache(maxsize=1_000)
def _condition(text: str | None) -> Condition | None:
    """Return a stored condition; there are few that differ."""
    return decode_condition(None if text is None else json.loads(text))
