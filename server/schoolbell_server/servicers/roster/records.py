"""Write or deactivate a few records by hand, all or none."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import roster_service_pb2 as messages
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.contract.fields import read_id
from schoolbell_server.contract.roster_records import ReadRecord, read_record
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.errors import FieldViolation, InvalidFields, SchoolbellError
from schoolbell_server.rpc.field_reasons import FieldReason
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.servicers.common.audit_trail import audit, bounded
from schoolbell_server.servicers.common.not_found import existing_district, no_record
from schoolbell_server.servicers.common.sources import check_records, check_source, not_own_record
from schoolbell_server.servicers.roster.import_finisher import guard_metadata
from schoolbell_storage.bars import barred_by
from schoolbell_storage.districts import lock_roster
from schoolbell_storage.engine import Storage
from schoolbell_storage.roster_checks import NOT_OWN, Problem, ProblemCode, RecordsRefused
from schoolbell_storage.roster_guards import Counts, Guards, GuardsExceeded
from schoolbell_storage.roster_incoming import IncomingRecord, encode_incoming
from schoolbell_storage.roster_layout import name_of
from schoolbell_storage.roster_merge import REQUIRED_OF_NEW
from schoolbell_storage.roster_origins import students_enrolled
from schoolbell_storage.roster_records import EnrollmentRecord, Record, RecordName, RecordType
from schoolbell_storage.roster_write import RosterWrite, write_records

MOST_RECORDS = 500
_SERVICE = "schoolbell.v1.RosterService"
UPSERT_RECORDS = f"{_SERVICE}/UpsertRecords"
DEACTIVATE_RECORDS = f"{_SERVICE}/DeactivateRecords"

Named = tuple[str, ReadRecord]
"""A record, or the name of one, with the path of the field that holds it."""


def read_upsert(request: messages.UpsertRecordsRequest) -> Sequence[Named]:
    """Return the records of a request."""
    violations = Violations()
    read_id(request.source, "source", violations.add)
    violations.count(request.records, "records", least=1, most=MOST_RECORDS)
    named: list[Named] = []
    for index, message in enumerate(request.records[:MOST_RECORDS]):
        path = f"records[{index}]"
        record = read_record(message, f"{path}.", violations.add, removable=False)
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
    for field, record_type, names in (
        ("school_ids", RecordType.SCHOOL, request.school_ids),
        ("calendar_ids", RecordType.CALENDAR, request.calendar_ids),
        ("user_ids", RecordType.USER, request.user_ids),
        ("enrollment_ids", RecordType.ENROLLMENT, request.enrollment_ids),
    ):
        for index, name in enumerate(names):
            path = f"{field}[{index}]"
            ids = (read_id(name, path, violations.add),)
            named.append((path, ReadRecord(RecordName(record_type, ids))))
    for index, key in enumerate(request.relationships):
        path = f"relationships[{index}]"
        ids_of = (
            read_id(key.student_id, f"{path}.student_id", violations.add),
            read_id(key.guardian_id, f"{path}.guardian_id", violations.add),
        )
        named.append((path, ReadRecord(RecordName(RecordType.RELATIONSHIP, ids_of))))
    if not 1 <= len(named) <= MOST_RECORDS:
        reason = reasons.TOO_LONG if named else reasons.TOO_SHORT
        text = f"must name from 1 to {MOST_RECORDS} records together with the other lists"
        violations.add("user_ids", text, reason)
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
    if isinstance(request, messages.DeactivateRecordsRequest):
        action, lossy = DEACTIVATE_RECORDS, request.allow_bar_loss
    else:
        action, lossy = UPSERT_RECORDS, False
    write = RosterWrite(
        district_id=request.district_id,
        source=request.source,
        now=now,
        by_hand=True,
        guards=Guards(allow_bar_loss=lossy),
        sources=frozenset(current_caller().key.sources),
    )
    try:
        async with storage.write(keep=not request.validate_only) as connection:
            await lock_roster(connection, write.district_id)
            await existing_district(connection, write.district_id)
            records = [record.content for _, record in named]
            await check_records(connection, write.district_id, records)
            before = await _own_bars(connection, write, named)
            done = await write_records(connection, write, _one_batch(named))
            after = await _own_bars(connection, write, named)
            await _audit_bars(connection, write, action, before, after)
            await _audit_records(connection, write, action, records)
            taken = [problem.name for problem in done.takeover.problems if problem.name]
            await _audit_records(connection, write, action, taken, "roster/taken_over")
            return done.counts
    except RecordsRefused as refused:
        raise _refusal(refused, named) from None
    except GuardsExceeded as exceeded:
        first = exceeded.problems[0]
        raise SchoolbellError(
            ErrorReason.ERROR_REASON_IMPORT_GUARD_EXCEEDED,
            f"nothing was written: {first.name} {first.description}",
            metadata=guard_metadata(exceeded.excess),
        ) from None


async def _one_batch(named: Sequence[Named]) -> AsyncIterator[bytes]:
    yield encode_incoming(
        IncomingRecord(index, record.content, record.provided)
        for index, (_, record) in enumerate(named)
    )


Pairs = Collection[tuple[str, str]]
"""Of (student_id, guardian_id)."""


async def _own_bars(
    connection: AsyncConnection, write: RosterWrite, named: Sequence[Named]
) -> Pairs:
    """Return whom the source bars, of everybody whom the records name."""
    names = [name_of(record.content) for _, record in named]
    people = {one for name in names if name.record_type in _OF_PEOPLE for one in name.ids}
    return await barred_by(connection, write.district_id, write.source, people)


_OF_PEOPLE = frozenset({RecordType.USER, RecordType.RELATIONSHIP})


async def _audit_records(
    connection: AsyncConnection,
    write: RosterWrite,
    action: str,
    records: Sequence[Record | RecordName],
    target: str = "roster",
) -> None:
    """Write down which records a caller wrote, deactivated or took over, by their names alone.

    An enrollment is named by its student: an erasure finds persons in the log, and no enrollments.
    """
    if not records:
        return
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
                relationship = {"student_id": student_id, "guardian_id": guardian_id}
                named.setdefault("relationships", []).append(relationship)
            case other:
                named.setdefault(f"{other.name.lower()}_ids", []).append(name.ids[0])
    if ended:
        enrolled += await students_enrolled(connection, write.district_id, ended)
    if enrolled:
        named["enrollments"] = [{"student_id": student_id} for student_id in enrolled]
    await audit(
        connection,
        district_id=write.district_id,
        now=write.now,
        action=action,
        changes=[(target, {}, {"source": write.source, **bounded(named)})],
    )


async def _audit_bars(
    connection: AsyncConnection, write: RosterWrite, action: str, before: Pairs, after: Pairs
) -> None:
    await audit(
        connection,
        district_id=write.district_id,
        now=write.now,
        action=action,
        changes=[
            (
                f"bars/{student_id}/{guardian_id}",
                _bar(write.source, (student_id, guardian_id) in before),
                _bar(write.source, (student_id, guardian_id) in after),
            )
            for student_id, guardian_id in sorted(set(before) ^ set(after))
        ],
    )


def _bar(source: str, barred: bool) -> Mapping[str, object]:
    return {"barred": barred, "source": source}


def _refusal(refused: RecordsRefused, named: Sequence[Named]) -> SchoolbellError:
    for problem in refused.problems:
        if problem.missing is not None:
            return no_record(problem.missing)
        if problem.description == NOT_OWN and problem.name is not None:
            return not_own_record(problem.name)
    return InvalidFields([_violation(problem, named) for problem in refused.problems])


def _violation(problem: Problem, named: Sequence[Named]) -> FieldViolation:
    assert problem.record_index is not None, "only guards have problems of the whole"
    path, record = named[problem.record_index]
    if problem.field:
        path = f"{path}.{name_of(record.content).record_type.name.lower()}.{problem.field}"
    return FieldViolation(path, problem.description, _reason(problem))


def _reason(problem: Problem) -> FieldReason:
    if problem.description == REQUIRED_OF_NEW:
        return reasons.REQUIRED
    repeated = problem.code is ProblemCode.DUPLICATE_RECORD
    return reasons.DUPLICATE if repeated else reasons.INCONSISTENT
