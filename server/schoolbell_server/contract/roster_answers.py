"""Show the stored roster and its imports in the contract's words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from google.type.date_pb2 import Date

from schoolbell.v1 import roster_pb2, roster_service_pb2
from schoolbell_server.contract.fields import write_date, write_time
from schoolbell_server.rpc.texts import MAX_TEXT
from schoolbell_storage.roster import Stored, Student
from schoolbell_storage.roster_checks import Problem
from schoolbell_storage.roster_imports import ImportMode, ImportRow, ImportState
from schoolbell_storage.roster_records import (
    EnrollmentRecord,
    Origin,
    RecordType,
    RelationshipRecord,
    UserRecord,
)
from schoolbell_storage.roster_report import ImportReport
from schoolbell_storage.roster_write import Counts

_STATES = {
    ImportState.RECEIVING: roster_pb2.IMPORT_STATE_RECEIVING,
    ImportState.APPLYING: roster_pb2.IMPORT_STATE_APPLYING,
    ImportState.APPLIED: roster_pb2.IMPORT_STATE_APPLIED,
    ImportState.REFUSED: roster_pb2.IMPORT_STATE_REFUSED,
    ImportState.ABANDONED: roster_pb2.IMPORT_STATE_ABANDONED,
}
_MODES = {
    ImportMode.FULL: roster_pb2.IMPORT_MODE_FULL,
    ImportMode.DELTA: roster_pb2.IMPORT_MODE_DELTA,
}


def write_student(student: Student) -> roster_service_pb2.Student:
    """Return a student with every tie."""
    return roster_service_pb2.Student(
        user=write_user(student.user),
        relationships=[write_relationship(tie) for tie in student.relationships],
        enrollments=[_write_enrollment(stay) for stay in student.enrollments],
    )


def write_user(stored: Stored[UserRecord]) -> roster_pb2.User:
    """Return an account."""
    record = stored.record
    message = roster_pb2.User(
        user_id=record.user_id,
        enabled=record.enabled,
        birth_date=_date(record.birth_date),
        origin=_write_origin(stored.origin),
    )
    if record.given_name or record.family_name or record.preferred_name:
        message.names.given_name = record.given_name
        message.names.family_name = record.family_name
        message.names.preferred_name = record.preferred_name
    return message


def write_relationship(stored: Stored[RelationshipRecord]) -> roster_pb2.Relationship:
    """Return a guardian's tie."""
    record = stored.record
    return roster_pb2.Relationship(
        student_id=record.student_id,
        guardian_id=record.guardian_id,
        relation=record.relation,
        portal_enabled=record.portal_enabled,
        barred=record.barred,
        adult_consent=record.adult_consent,
        start_date=_date(record.start_date),
        end_date=_date(record.end_date),
        origin=_write_origin(stored.origin),
    )


def _write_enrollment(stored: Stored[EnrollmentRecord]) -> roster_pb2.Enrollment:
    record = stored.record
    return roster_pb2.Enrollment(
        enrollment_id=record.enrollment_id,
        student_id=record.student_id,
        calendar_id=record.calendar_id,
        start_date=_date(record.start_date),
        end_date=_date(record.end_date),
        portal_visible=record.portal_visible,
        origin=_write_origin(stored.origin),
    )


def write_import(row: ImportRow, *, problems: bool = True) -> roster_pb2.RosterImport:
    """Return an import with its report."""
    message = roster_pb2.RosterImport(
        import_id=row.header.import_id,
        source=row.header.source,
        mode=_MODES[row.header.mode],
        validate_only=row.header.validate_only,
        state=_STATES[row.state],
        create_time=write_time(row.create_time),
        report=_write_report(row.report, problems=problems),
    )
    if row.end_time is not None:
        message.end_time.CopyFrom(write_time(row.end_time))
    return message


def write_counts(counts: Counts) -> Sequence[roster_pb2.RecordCounts]:
    """Return what happened, by type of record."""
    return [
        roster_pb2.RecordCounts(
            record_type=_type(record_type),
            created_count=count.created,
            updated_count=count.updated,
            unchanged_count=count.unchanged,
            deactivated_count=count.deactivated,
        )
        for record_type, count in sorted(counts.items())
    ]


def _write_report(report: ImportReport, *, problems: bool) -> roster_pb2.ImportReport:
    return roster_pb2.ImportReport(
        counts=write_counts(report.counts),
        problem_count=report.problem_total,
        problems=[_write_problem(problem) for problem in report.problems] if problems else (),
        portal_relationship_count=report.portal_relationships,
    )


def _write_problem(problem: Problem) -> roster_pb2.ImportProblem:
    name = problem.name
    return roster_pb2.ImportProblem(
        record_index=None if problem.record_index < 0 else problem.record_index,
        record_type=roster_pb2.RECORD_TYPE_UNSPECIFIED if name is None else _type(name.record_type),
        record_id="" if name is None else str(name),
        field=problem.field,
        description=problem.description[:MAX_TEXT],
    )


def _write_origin(origin: Origin) -> roster_pb2.RecordOrigin:
    message = roster_pb2.RecordOrigin(
        source=origin.source, update_time=write_time(origin.update_time)
    )
    if not origin.active:
        message.deactivate_time.CopyFrom(message.update_time)
    return message


def _type(record_type: RecordType) -> roster_pb2.RecordType.ValueType:
    return roster_pb2.RecordType.ValueType(record_type)


def _date(date: dt.date | None) -> Date | None:
    return None if date is None else write_date(date)
