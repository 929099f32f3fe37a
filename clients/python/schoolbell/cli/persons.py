"""What is known of a person, for administrators: handed out, or erased."""

from __future__ import annotations

import json

import click
from google.protobuf.json_format import MessageToDict

from schoolbell.cli.printing import escape_json
from schoolbell.cli.session import Session
from schoolbell.v1.access_service_pb2 import ErasePersonDataRequest, ExportPersonDataRequest


@click.group()
def persons() -> None:
    """Export and erase what is known of a person."""


@persons.command("export")
@click.argument("user_id")
@click.pass_obj
def export_person(session: Session, *, user_id: str) -> None:
    """Print everything that is stored of a person, one JSON object a record."""
    request = ExportPersonDataRequest(district_id=session.need_district(), user_id=user_id)
    with session.client() as client:
        for part in client.access.ExportPersonData(request):
            for record in part.records:
                line = {"record_type": part.record_type, "record": MessageToDict(record)}
                click.echo(escape_json(json.dumps(line, ensure_ascii=False)))


@persons.command("erase")
@click.argument("user_id")
@click.option("--dry-run", is_flag=True, help="Only count what would be erased.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def erase_person(session: Session, *, user_id: str, dry_run: bool, yes: bool) -> None:
    """Erase everything that is stored of a person, and cancel what has not left."""
    if not (dry_run or yes):
        click.confirm("Erase everything that is known of this person?", abort=True)
    request = ErasePersonDataRequest(
        district_id=session.need_district(), user_id=user_id, validate_only=dry_run
    )
    with session.client() as client:
        session.show(client.access.ErasePersonData(request))
