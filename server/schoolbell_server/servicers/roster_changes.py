"""Write or deactivate a few records by hand, all or none."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import roster_service_pb2 as messages
from schoolbell_server.contract.fields import read_id
from schoolbell_server.contract.roster_records import read_record
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.errors import FieldViolation, InvalidFields, SchoolbellError
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.servicers.audit_trail import bounded
from schoolbell_server.servicers.missing import no_district, no_record
from schoolbell_server.servicers.sources import check_records, check_source
from schoolbell_storage.audit import append_audit
from schoolbell_storage.districts import get_district, lock_roster
from schoolbell_storage.engine import Storage
from schoolbell_storage.roster import relationships_by_key
from schoolbell_storage.roster_checks import RecordsRefused
from schoolbell_storage.roster_incoming import IncomingRecord, encode_incoming
from schoolbell_storage.roster_layout import name_of
from schoolbell_storage.roster_origins import students_enrolled
from schoolbell_storage.roster_records import (
    EnrollmentRecord,
    Record,
    RecordName,
    RecordType,
    RelationshipRecord,
)
from schoolbell_storage.roster_write import Counts, RosterWrite, write_records

MOST_RECORDS = 500
_SERVICE = "schoolbell.v1.RosterService"
UPSERT_RECORDS = f"{_SERVICE}/UpsertRecords"

Named = tuple[str, Record | RecordName]
"""A record, or the name of one, with the path of the field that holds it."""

T = TypeVar("T")


def read_upsert(request: messages.UpsertRecordsRequest) -> Sequence[Named]:
    """Return the records of a request; a bar among them is set by hand."""
    violations = Violations()
    read_id(request.source, "source", violations.add)
    violations.count(request.records, "records", least=1, most=MOST_RECORDS)
    named: list[Named] = []
    for index, message in enumerate(request.records[:MOST_RECORDS]):
        path = f"records[{index}]"
        record = read_record(message, f"{path}.", violations.add, removable=False)
        if isinstance(record, RelationshipRecord):
            record = dataclasses.replace(record, locally_set=record.barred)
        if record is not None:
            named.append((path, record))
    violations.refuse()
    check_source(request.source)
    return named


def read_deactivation(request: messages.DeactivateRecordsRequest) -> Sequence[Named]:
    """Return the names of the records that a request deactivates."""
    violations = Violations()
    read_id(request.source, "source", violations.add)
    named: list[Named] = []
    for field, record_type, ids in (
        ("school_ids", RecordType.SCHOOL, request.school_ids),
        ("calendar_ids", RecordType.CALENDAR, request.calendar_ids),
        ("user_ids", RecordType.USER, request.user_ids),
        ("enrollment_ids", RecordType.ENROLLMENT, request.enrollment_ids),
    ):
        for index, name in enumerate(ids):
            path = f"{field}[{index}]"
            named.append((path, RecordName(record_type, (read_id(name, path, violations.add),))))
    for index, key in enumerate(request.relationships):
        path = f"relationships[{index}]"
        ids_of = (
            read_id(key.student_id, f"{path}.student_id", violations.add),
            read_id(key.guardian_id, f"{path}.guardian_id", violations.add),
        )
        named.append((path, RecordName(RecordType.RELATIONSHIP, ids_of)))
    if not 1 <= len(named) <= MOST_RECORDS:
        violations.add("user_ids", f"and the others must name 1 to {MOST_RECORDS} records in all")
    violations.refuse()
    check_source(request.source)
    return named


async def write_by_hand(
    storage: Storage,
    request: messages.UpsertRecordsRequest | messages.DeactivateRecordsRequest,
    named: Sequence[Named],
    now: dt.datetime,
) -> Counts:
    """Write the records, all or none, or only count them."""
    write = RosterWrite(
        district_id=request.district_id, source=request.source, now=now, by_hand=True
    )
    try:
        async with storage.write(keep=not request.validate_only) as connection:
            await lock_roster(connection, write.district_id)
            if await get_district(connection, write.district_id) is None:
                raise no_district(write.district_id)
            records = [record for _, record in named]
            await check_records(connection, write.district_id, records)
            await _audit_bars(connection, write, records)
            counts = await write_records(connection, write, _one_batch(named))
            await _audit_records(connection, write, request, records)
            return counts
    except RecordsRefused as refused:
        raise _refusal(refused, named) from None


async def _one_batch(named: Sequence[Named]) -> AsyncIterator[bytes]:
    yield encode_incoming(IncomingRecord(index, record) for index, (_, record) in enumerate(named))


async def _audit_records(
    connection: AsyncConnection,
    write: RosterWrite,
    request: messages.UpsertRecordsRequest | messages.DeactivateRecordsRequest,
    records: Sequence[Record | RecordName],
) -> None:
    """Write down which records a caller wrote or deactivated, by their names alone.

    An enrollment is named by its student: an erasure finds persons in the log, and no enrollments.
    """
    named: dict[str, list[object]] = {}
    enrolled = [one.student_id for one in records if isinstance(one, EnrollmentRecord)]
    ended: list[str] = []
    for record in records:
        name = record if isinstance(record, RecordName) else name_of(record)
        match name.record_type:
            case RecordType.ENROLLMENT:
                ended += name.ids if isinstance(record, RecordName) else ()
            case RecordType.RELATIONSHIP:
                student_id, guardian_id = name.ids
                tie = {"student_id": student_id, "guardian_id": guardian_id}
                named.setdefault("relationships", []).append(tie)
            case other:
                named.setdefault(f"{other.name.lower()}_ids", []).append(name.ids[0])
    if ended:
        enrolled += await students_enrolled(connection, write.district_id, ended)
    if enrolled:
        named["enrollments"] = [{"student_id": student_id} for student_id in enrolled]
    rpc = type(request).__name__.removesuffix("Request")
    await append_audit(
        connection,
        district_id=write.district_id,
        now=write.now,
        actor=current_caller().actor,
        action=f"{_SERVICE}/{rpc}",
        changes=[("roster", {}, {"source": write.source, **bounded(named)})],
    )


async def _audit_bars(
    connection: AsyncConnection, write: RosterWrite, records: Sequence[Record | RecordName]
) -> None:
    ties = {
        (record.student_id, record.guardian_id): record
        for record in records
        if isinstance(record, RelationshipRecord)
    }
    known = await relationships_by_key(connection, write.district_id, ties) if ties else {}
    changes = []
    for (student_id, guardian_id), asked in sorted(ties.items()):
        before, after = _bar(known.get((student_id, guardian_id))), _bar(asked)
        if before != after:
            changes.append((f"relationships/{student_id}/{guardian_id}", before, after))
    await append_audit(
        connection,
        district_id=write.district_id,
        now=write.now,
        actor=current_caller().actor,
        action=UPSERT_RECORDS,
        changes=changes,
    )


def _bar(record: RelationshipRecord | None) -> Mapping[str, bool]:
    if record is None:
        return {"barred": False, "locally_set": False}
    return {"barred": record.barred, "locally_set": record.locally_set}


def _refusal(refused: RecordsRefused, named: Sequence[Named]) -> SchoolbellError:
    for problem in refused.problems:
        if problem.missing is not None:
            return no_record(problem.missing)
    return InvalidFields(
        [
            FieldViolation(named[problem.record_index][0], problem.description)
            for problem in refused.problems
        ]
    )
