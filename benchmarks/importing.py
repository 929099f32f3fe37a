"""A publisher while rosters are imported: what a night changes, and a district's first."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any

from benchmarks.district import records
from benchmarks.results import Figure, Result
from benchmarks.service import Bench, Service, service, start_generator
from schoolbell import Connection
from schoolbell.v1 import roster_pb2
from schoolbell.v1 import roster_service_pb2 as messages
from schoolbell.v1.roster_service_pb2_grpc import RosterServiceStub
from schoolbell_server.contract.fields import write_date
from schoolbell_server.contract.roster_answers import write_term
from schoolbell_server.demo.stage import DISTRICT
from schoolbell_server.domain.kinds import Kind
from schoolbell_server.rpc.authentication import utc_now
from schoolbell_server.security.api_key import Role, new_api_key
from schoolbell_server.security.key_store import row_of
from schoolbell_storage.districts import create_district, get_district
from schoolbell_storage.keys import insert_key
from schoolbell_storage.roster_records import (
    CalendarRecord,
    EnrollmentRecord,
    Record,
    RelationshipRecord,
    SchoolRecord,
    UserRecord,
)

_STUDENTS = 20_000
_MANY = 200_000
"""With LONG=1."""
_CHANGED = 100
"""One record of so many changes in a night."""
_TARGET = 250.0  # ms
_PART = 1_000  # records
_SETTLED = 2.0  # seconds that the publisher has to itself before an import, and after
NEW = "new"
"""The district whose first roster it is."""


async def measure(bench: Bench) -> Result:
    """Import a whole roster of which little changed, and then one of which nothing was known."""
    students = _MANY if bench.long else _STUDENTS
    async with service(replace(bench, students=students), held=[Kind.GRADE]) as on:
        key = await _prepare(on)
        figures, notes = [], []
        for what, district_id in (("a nightly import", DISTRICT), ("a first import", NEW)):
            beside, took, count = await _import(on, key, district_id, students)
            figures.append(
                Figure(
                    what=f"The longest wait of a publisher during {what}, {students:,} students",
                    value=beside["worst"] * 1e3,
                    unit="ms",
                    target=_TARGET,
                )
            )
            notes.append(
                f"{what.capitalize()} of {count:,} records took {took:,.1f} s; of the publisher's "
                f"{beside['calls']} calls the median took {beside['p50'] * 1e3:,.1f} ms, one in "
                f"twenty {beside['p95'] * 1e3:,.0f} ms or more; {beside['failed']} failed."
            )
    return Result(figures=figures, notes=notes)


async def _prepare(on: Service) -> str:
    """Make the other district and a key for both; return its credential."""
    key, credential = new_api_key(district_ids=[DISTRICT, NEW], role=Role.PUBLISHER)
    async with on.storage.write() as connection:
        known = await get_district(connection, DISTRICT)
        assert known is not None
        other = replace(known, district_id=NEW)
        await create_district(connection, other, secrets.token_bytes(32))
        await insert_key(connection, row_of(key, utc_now(), "importing", ""))
    return credential


async def _import(
    on: Service, key: str, district_id: str, students: int
) -> tuple[dict[str, Any], float, int]:
    """Import while somebody publishes; return what that took them, the import's time and size."""
    job = on.job("neighbor", neighbor=key, seconds=3_600)
    publisher = await start_generator(job, "benchmarks.abuse.neighbor")
    try:
        await asyncio.sleep(_SETTLED)
        begun = time.perf_counter()
        count = await _send(on, key, district_id, students)
        took = time.perf_counter() - begun
        await asyncio.sleep(_SETTLED)
        publisher.terminate()
        output, _ = await publisher.communicate()
    finally:
        with suppress(ProcessLookupError):
            publisher.kill()
    return json.loads(output), took, count


async def _send(on: Service, key: str, district_id: str, students: int) -> int:
    connection = Connection(
        target=f"localhost:{on.port}", ca=(on.folder / "data" / "tls" / "ca.pem").read_bytes()
    )
    count = 0

    async def parts() -> AsyncIterator[messages.ImportRosterRequest]:
        nonlocal count
        header = messages.ImportRosterHeader(
            import_id=district_id, source="bench", mode=roster_pb2.IMPORT_MODE_FULL
        )
        yield messages.ImportRosterRequest(district_id=district_id, header=header)
        changing = _messages(students)
        while part := list(islice(changing, _PART)):
            count += len(part)
            yield messages.ImportRosterRequest(records=messages.ImportRosterRecords(records=part))
        footer = messages.ImportRosterFooter(record_count=count)
        yield messages.ImportRosterRequest(footer=footer)

    async with connection.aio_channel() as channel:
        stub: Any = RosterServiceStub(channel)
        metadata = Connection(key=key).metadata()
        answer = await stub.ImportRoster(parts(), metadata=metadata)
    if answer.roster_import.state != roster_pb2.IMPORT_STATE_APPLIED:
        raise RuntimeError(f"the import is not applied: {answer}")
    return count


def _messages(students: int) -> Iterator[roster_pb2.RosterRecord]:
    """Yield the roster that the district was written with, but for the names of some."""
    today = utc_now().date()
    numbered = (one for number in range(students) for one in records(number, today))
    for index, record in enumerate(numbered):
        if isinstance(record, UserRecord) and index % _CHANGED == 0:
            record = replace(record, given_name="Augusta")
        yield _message(record)


def _message(record: Record) -> roster_pb2.RosterRecord:
    match record:
        case SchoolRecord():
            school = roster_pb2.School(school_id=record.school_id, display_name=record.display_name)
            return roster_pb2.RosterRecord(school=school)
        case CalendarRecord():
            calendar = roster_pb2.Calendar(
                calendar_id=record.calendar_id,
                school_id=record.school_id,
                school_year=record.school_year,
                start_date=write_date(record.start_date),
                end_date=write_date(record.end_date),
                terms=map(write_term, record.terms),
            )
            return roster_pb2.RosterRecord(calendar=calendar)
        case UserRecord():
            names = roster_pb2.PersonNames(
                given_name=record.given_name, family_name=record.family_name
            )
            user = roster_pb2.User(user_id=record.user_id, enabled=record.enabled, names=names)
            return roster_pb2.RosterRecord(user=user)
        case RelationshipRecord():
            relationship = roster_pb2.Relationship(
                student_id=record.student_id,
                guardian_id=record.guardian_id,
                relation=record.relation,
                portal_enabled=record.portal_enabled,
            )
            return roster_pb2.RosterRecord(relationship=relationship)
        case EnrollmentRecord():
            enrollment = roster_pb2.Enrollment(
                enrollment_id=record.enrollment_id,
                student_id=record.student_id,
                calendar_id=record.calendar_id,
                start_date=write_date(record.start_date),
                portal_visible=record.portal_visible,
            )
            return roster_pb2.RosterRecord(enrollment=enrollment)
