"""Schools, calendars, students, accounts and bars, and single records of the roster."""

from __future__ import annotations

from typing import Any

import click

from schoolbell.cli import values
from schoolbell.cli.groups import add_calls
from schoolbell.cli.output import columns
from schoolbell.cli.rpc import Rpc
from schoolbell.v1.roster_service_pb2 import SetActiveSchoolYearResponse

_ALL = {"include_inactive": "all"}


@click.group()
def schools() -> None:
    """List schools."""


add_calls(
    schools,
    {
        "list": Rpc(
            call="roster.ListSchools",
            help="List the district's schools.",
            example="schools list",
            options=_ALL,
            columns=columns(
                "school=school_id",
                "name=display_name",
                "?time zone=time_zone",
                "+source=origin.source",
                "+updated=origin.update_time",
            ),
            nothing="schools",
        )
    },
)


def _no_calendars(answer: SetActiveSchoolYearResponse) -> str:
    if answer.calendar_count:
        return ""
    return f"no calendar is of the year {answer.active_school_year}: nobody would be told anything"


@click.group()
def calendars() -> None:
    """List calendars, and choose the school year that is told of."""


add_calls(
    calendars,
    {
        "list": Rpc(
            call="roster.ListCalendars",
            help="List calendars with the names of their schools.",
            example="calendars list --year 2027",
            options={**_ALL, "school_year": "year"},
            columns=columns(
                "calendar=calendar.calendar_id",
                "name=calendar.display_name",
                ("school", lambda one: one.school_display_name or one.calendar.school_id),
                "year=calendar.school_year",
                "?from=calendar.start_date",
                "?to=calendar.end_date",
                ("?terms", lambda one: ", ".join(term.term_id for term in one.calendar.terms)),
                "+source=calendar.origin.source",
            ),
            nothing="calendars",
        ),
        "activate": Rpc(
            call="roster.SetActiveSchoolYear",
            help="Make a school year the active one, by the year in which it ends.",
            example="calendars activate 2027",
            arguments=["school_year"],
            guard=_no_calendars,
        ),
    },
)


@click.group()
def students() -> None:
    """Look students up."""


def _calendars(one: Any) -> str:
    return ", ".join(sorted({stay.calendar_id for stay in one.enrollments}))


def _guardians(one: Any) -> str:
    return ", ".join(related.guardian_id for related in one.relationships)


_STUDENTS = Rpc(
    call="roster.ListStudents",
    help="List students with their guardians and calendars.",
    example="students list --guardian g5001",
    options=_ALL,
    columns=columns(
        "student=user.user_id",
        "?given name=user.names.given_name",
        "?family name=user.names.family_name",
        ("guardians", _guardians),
        ("?calendars", _calendars),
        "+enabled=user.enabled",
        "+source=user.origin.source",
    ),
    nothing="students",
)
add_calls(
    students,
    {
        "list": _STUDENTS,
        "get": Rpc(
            call="roster.GetStudent",
            help="Show a student with relationships and enrollments.",
            example="students get s1001",
            arguments=["student_id"],
        ),
    },
)


@click.group()
def users() -> None:
    """Find accounts."""


add_calls(
    users,
    {
        "list": Rpc(
            call="roster.ListUsers",
            help="List accounts whose id, or a word of whose name, begins with QUERY.",
            example="users list smith",
            arguments=["query"],
            options=_ALL,
            columns=columns(
                "user=user_id",
                "given name=names.given_name",
                "family name=names.family_name",
                "enabled=enabled",
                "?source=origin.source",
                "+born=birth_date",
                "+updated=origin.update_time",
            ),
            nothing="accounts",
        ),
        "get": Rpc(
            call="roster.GetUser",
            help="Show an account with the students whom it is related to.",
            example="users get g5001",
            arguments=["user_id"],
        ),
    },
)


@click.group()
def bars() -> None:
    """Bar persons from students' data, lift bars, and list them."""


_BARS = columns(
    "student=student_id",
    "person=guardian_id",
    ("set by", lambda one: one.source or "the district"),
    "set=set_time",
    "?comment=comment",
    "+who=principal",
)
add_calls(
    bars,
    {
        "list": Rpc(
            call="roster.ListBars",
            help="List the bars that stand.",
            example="bars list --student s1002",
            columns=_BARS,
            nothing="bars",
        ),
        "set": Rpc(
            call="roster.SetBar",
            help="Bar a person from a student's data, related or not.",
            example='bars set s1002 g5003 --comment "order of 12 November"',
            arguments=["student_id", "guardian_id"],
            options={"source": ""},
            fixed={"barred": True},
            columns=_BARS,
        ),
        "lift": Rpc(
            call="roster.SetBar",
            help="Lift the district's bar; what sources bar stays barred.\n\n"
            "--source is for operators: it lifts the bar of a source that no longer delivers.",
            example='bars lift s1002 g5003 --comment "order expired"',
            arguments=["student_id", "guardian_id"],
            fixed={"barred": False},
            columns=_BARS,
            nothing="bars of the two stand",
        ),
    },
)


def _read_relationships(request: Any, chosen: dict[str, Any]) -> None:
    for pair in chosen.pop("pairs"):
        student_id, slash, guardian_id = pair.partition("/")
        if not slash:
            raise click.UsageError(f"--relationship {pair}: write STUDENT/GUARDIAN")
        request.relationships.add(student_id=student_id, guardian_id=guardian_id)


_COUNTS = columns(
    ("record", lambda one: values.member_name(_type_of(one), one.record_type)),
    "created=created_count",
    "updated=updated_count",
    "unchanged=unchanged_count",
    "deactivated=deactivated_count",
)


def _type_of(one: Any) -> Any:
    return one.DESCRIPTOR.fields_by_name["record_type"].enum_type


RECORDS = {
    "upsert": Rpc(
        call="roster.UpsertRecords",
        help="Write single records, all or none, each as JSON: "
        '{"user": {"userId": "g1", "enabled": true}}.',
        example="""roster upsert --source sis '{"user": {"userId": "g5001", "enabled": true}}'""",
        arguments=["records"],
        columns=_COUNTS,
        nothing="records",
    ),
    "deactivate": Rpc(
        call="roster.DeactivateRecords",
        help="Deactivate single records, all or none.",
        example="roster deactivate --source sis --user g5001 --relationship s1001/g5001",
        options={"relationships": ""},
        more=[
            click.Option(
                ["--relationship", "pairs"], multiple=True, help="STUDENT/GUARDIAN; repeat."
            )
        ],
        prepare=_read_relationships,
        columns=_COUNTS,
        nothing="records",
    ),
    "imports": Rpc(
        call="roster.ListImports",
        help="List imports, newest first.",
        example="roster imports --limit 5",
        columns=columns(
            "import=import_id",
            "time=create_time",
            "source=source",
            "state=state",
            "?mode=mode",
            "?problems=report.problem_count",
            "+ended=end_time",
            "+only checked=validate_only",
        ),
        nothing="imports",
    ),
    "report": Rpc(
        call="roster.GetImport",
        help="Show an import with its report.",
        example="roster report tonight",
        arguments=["import_id"],
    ),
    "students": _STUDENTS,
}
