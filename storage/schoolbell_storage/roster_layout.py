"""How each type of roster record lies in its table, and what it refers to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Table

from schoolbell_server.domain.world import Term
from schoolbell_storage.codec import to_json
from schoolbell_storage.roster_records import (
    CalendarRecord,
    EnrollmentRecord,
    Record,
    RecordName,
    RecordType,
    RelationshipRecord,
    SchoolRecord,
    UserRecord,
)
from schoolbell_storage.rows import FLAG, NUMBER, TEXT, ColumnType
from schoolbell_storage.tables import calendar, enrollment, relationship, school, user_account


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A column that must hold the id of a record of another type."""

    column: str
    record_type: RecordType


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A record type's table, its columns in the order of `row_of`, and what it refers to."""

    record_type: RecordType
    table: Table
    keys: tuple[str, ...]
    values: Mapping[str, ColumnType]
    apart: Mapping[str, ColumnType] = field(default_factory=dict)
    """What a record brings that other tables store; null is nothing."""
    required: tuple[str, ...] = ()
    """The values that have no default."""
    references: tuple[Reference, ...] = ()

    @property
    def columns(self) -> dict[str, ColumnType]:
        """Return the keys and the values."""
        return dict.fromkeys(self.keys, TEXT) | dict(self.values)

    @property
    def incoming(self) -> dict[str, ColumnType]:
        """Return the columns of a record that comes in."""
        return self.columns | dict(self.apart)


LAYOUTS: Mapping[RecordType, Layout] = {
    layout.record_type: layout
    for layout in (
        Layout(
            record_type=RecordType.SCHOOL,
            table=school,
            keys=("school_id",),
            values={"display_name": TEXT, "time_zone": TEXT},
        ),
        Layout(
            record_type=RecordType.CALENDAR,
            table=calendar,
            keys=("calendar_id",),
            values={
                "school_id": TEXT,
                "school_year": NUMBER,
                "start_date": TEXT,
                "end_date": TEXT,
                "terms": TEXT,
                "display_name": TEXT,
            },
            required=("school_id", "school_year", "start_date", "end_date"),
            references=(Reference(column="school_id", record_type=RecordType.SCHOOL),),
        ),
        Layout(
            record_type=RecordType.USER,
            table=user_account,
            keys=("user_id",),
            values={
                "enabled": FLAG,
                "birth_date": TEXT,
                "given_name": TEXT,
                "family_name": TEXT,
                "preferred_name": TEXT,
            },
            required=("enabled",),
        ),
        Layout(
            record_type=RecordType.RELATIONSHIP,
            table=relationship,
            keys=("student_id", "guardian_id"),
            values={
                "relation": TEXT,
                "portal_enabled": FLAG,
                "adult_consent": FLAG,
                "start_date": TEXT,
                "end_date": TEXT,
            },
            apart={"barred": FLAG},
            references=(
                Reference(column="student_id", record_type=RecordType.USER),
                Reference(column="guardian_id", record_type=RecordType.USER),
            ),
        ),
        Layout(
            record_type=RecordType.ENROLLMENT,
            table=enrollment,
            keys=("enrollment_id",),
            values={
                "student_id": TEXT,
                "calendar_id": TEXT,
                "start_date": TEXT,
                "end_date": TEXT,
                "portal_visible": FLAG,
            },
            required=("student_id", "calendar_id", "start_date", "portal_visible"),
            references=(
                Reference(column="student_id", record_type=RecordType.USER),
                Reference(column="calendar_id", record_type=RecordType.CALENDAR),
            ),
        ),
    )
}

_TYPES: Mapping[type[Record], RecordType] = {
    SchoolRecord: RecordType.SCHOOL,
    CalendarRecord: RecordType.CALENDAR,
    UserRecord: RecordType.USER,
    RelationshipRecord: RecordType.RELATIONSHIP,
    EnrollmentRecord: RecordType.ENROLLMENT,
}


def name_of(record: Record | RecordName) -> RecordName:
    """Return what names a record; a name names itself."""
    if isinstance(record, RecordName):
        return record
    layout = LAYOUTS[_TYPES[type(record)]]
    return RecordName(layout.record_type, tuple(getattr(record, key) for key in layout.keys))


def row_of(record: Record) -> list[object]:
    """Return a record's columns as they come in, in the order of its layout."""
    layout = LAYOUTS[_TYPES[type(record)]]
    return [_column(getattr(record, name)) for name in layout.incoming]


def _column(value: object) -> object:
    match value:
        case dt.date():
            return value.isoformat()
        case tuple():
            return to_json([_term(term) for term in value])
        case _:
            return value


def _term(term: Term) -> list[str]:
    return [
        term.term_id,
        term.name,
        term.start_date.isoformat(),
        term.end_date.isoformat(),
    ]
