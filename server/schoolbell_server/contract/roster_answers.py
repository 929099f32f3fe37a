"""Show the stored roster and its imports in the contract's words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from google.type.date_pb2 import Date

from schoolbell.v1 import roster_pb2, roster_service_pb2
from schoolbell_server.contract.fields import write_date, write_time
from schoolbell_server.contract.principals import write_principal
from schoolbell_server.domain.world import Term
from schoolbell_server.rpc.texts import MAX_TEXT
from schoolbell_storage.bars import DISTRICT, BarRow
from schoolbell_storage.roster import Stored, StoredRelationship, Student
from schoolbell_storage.roster_checks import Problem
from schoolbell_storage.roster_guards import Counts
from schoolbell_storage.roster_imports import ImportMode, ImportRow, ImportState
from schoolbell_storage.roster_places import ListedCalendar
from schoolbell_storage.roster_records import (
    EnrollmentRecord,
    Origin,
    RecordType,
    SchoolRecord,
    UserRecord,
)
from schoolbell_storage.roster_report import ImportReport

_STATES = {
    ImportState.RECEIVING: roster_pb2.IMPORT_STATE_RECEIVING,
    ImportState.APPLYING: roster_pb2.IMPORT_STATE_APPLYING,
    ImportState.APPLIED: roster_pb2.IMPORT_STATE_APPLIED,
    ImportState.REFUSED: roster_pb2.IMPORT_STATE_REFUSED,
    ImportState.ABANDONED: roster_pb2.IMPORT_STATE_ABANDONED,
    ImportState.VALIDATED: roster_pb2.IMPORT_STATE_VALIDATED,
}
_MODES = {
    ImportMode.FULL: roster_pb2.IMPORT_MODE_FULL,
    ImportMode.DELTA: roster_pb2.IMPORT_MODE_DELTA,
}


def write_student(student: Student) -> roster_service_pb2.Student:
    """Return a student with every relationship."""
    return roster_service_pb2.Student(
        user=write_user(student.user),
        relationships=[write_relationship(relationship) for relationship in student.relationships],
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


def write_relationship(relationship: StoredRelationship) -> roster_pb2.Relationship:
    """Return a guardian's relationship with the bars that stand."""
    record = relationship.record
    return roster_pb2.Relationship(
        student_id=record.student_id,
        guardian_id=record.guardian_id,
        relation=record.relation,
        portal_enabled=record.portal_enabled,
        barred=bool(relationship.bars),
        adult_consent=record.adult_consent,
        start_date=_date(record.start_date),
        end_date=_date(record.end_date),
        bars=map(write_bar, relationship.bars),
        origin=_write_origin(relationship.origin),
    )


def write_bar(row: BarRow) -> roster_pb2.Bar:
    """Return a bar."""
    of_district = row.source == DISTRICT
    message = roster_pb2.Bar(
        student_id=row.student_id,
        guardian_id=row.guardian_id,
        origin=roster_pb2.BAR_ORIGIN_DISTRICT if of_district else roster_pb2.BAR_ORIGIN_SOURCE,
        source=row.source,
        set_time=write_time(row.set_time),
        comment=row.comment,
    )
    if row.principal is not None:
        message.principal.CopyFrom(write_principal(row.principal))
    return message


def write_school(stored: Stored[SchoolRecord]) -> roster_pb2.School:
    """Return a school."""
    record = stored.record
    return roster_pb2.School(
        school_id=record.school_id,
        display_name=record.display_name,
        time_zone=record.time_zone,
        origin=_write_origin(stored.origin),
    )


def write_calendar(listed: ListedCalendar) -> roster_service_pb2.CalendarListing:
    """Return a calendar with what people call its school."""
    record = listed.calendar.record
    return roster_service_pb2.CalendarListing(
        calendar=roster_pb2.Calendar(
            calendar_id=record.calendar_id,
            school_id=record.school_id,
            school_year=record.school_year,
            start_date=write_date(record.start_date),
            end_date=write_date(record.end_date),
            terms=[write_term(term) for term in record.terms],
            display_name=record.display_name,
            origin=_write_origin(listed.calendar.origin),
        ),
        school_display_name=listed.school_name,
    )


def write_term(term: Term) -> roster_pb2.Term:
    """Return a term."""
    return roster_pb2.Term(
        term_id=term.term_id,
        display_name=term.name,
        start_date=write_date(term.start_date),
        end_date=write_date(term.end_date),
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
        record_index=problem.record_index,
        record_type=roster_pb2.RECORD_TYPE_UNSPECIFIED if name is None else _type(name.record_type),
        record_id="" if name is None else str(name),
        field=problem.field,
        description=problem.description[:MAX_TEXT],
        code=roster_pb2.ImportProblemCode.ValueType(problem.code),
        severity=roster_pb2.ImportProblemSeverity.ValueType(problem.severity),
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
