"""What is known of a person, for administrators: handed out, or erased."""

from __future__ import annotations

import click

from schoolbell.cli.groups import add_calls
from schoolbell.cli.output import Form, Output, to_data
from schoolbell.cli.rpc import Rpc
from schoolbell.cli.session import Session
from schoolbell.cli.shared import Command
from schoolbell.v1.access_service_pb2 import ExportPersonDataRequest


@click.group()
def persons() -> None:
    """Export and erase what is known of a person."""


@persons.command(
    "export",
    cls=Command,
    calls=["access.ExportPersonData"],
    examples=["persons export g5022 > g5022.jsonl"],
)
@click.argument("user_id")
@click.pass_obj
def export_person(session: Session, *, user_id: str) -> None:
    """Print everything that is stored of a person, one JSON object a record."""
    request = ExportPersonDataRequest(district_id=session.need_district(), user_id=user_id)
    form = Form.YAML if session.output.form is Form.YAML else Form.JSON
    output = Output(form)
    with session.client() as client:
        for part in client.access.ExportPersonData(request):
            for record in part.records:
                output.data({"record_type": part.record_type, "record": to_data(record)})


add_calls(
    persons,
    {
        "erase": Rpc(
            call="access.ErasePersonData",
            help="Erase everything that is stored of a person, and cancel what has not left.",
            example="persons erase g5022 --dry-run",
            arguments=["user_id"],
            confirm="Erase everything that is known of this person?",
        )
    },
)
