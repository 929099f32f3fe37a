"""`schoolbell`: what administrators, monitors and scripts do with the service."""

from __future__ import annotations

from pathlib import Path

import click

from schoolbell.cli.access import audit, keys, server_info, whoami
from schoolbell.cli.bars import bars
from schoolbell.cli.changes import changes
from schoolbell.cli.deliveries import deliveries
from schoolbell.cli.devices import devices
from schoolbell.cli.display_options import display_options
from schoolbell.cli.districts import districts
from schoolbell.cli.explain import explain
from schoolbell.cli.persons import persons
from schoolbell.cli.places import calendars, schools, users
from schoolbell.cli.printing import Group
from schoolbell.cli.roster import roster
from schoolbell.cli.session import DEFAULT_TARGET, open_session
from schoolbell.cli.settings import settings
from schoolbell.cli.status import status
from schoolbell.cli.subscriptions import subscriptions
from schoolbell.cli.watch import watch


@click.group(cls=Group)
@click.option("--target", help=f"host:port of the service; {DEFAULT_TARGET}, or SCHOOLBELL_TARGET.")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The file with your API key; or SCHOOLBELL_KEY, SCHOOLBELL_KEY_FILE.",
)
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The authority of the server's certificate; or SCHOOLBELL_CA_FILE.",
)
@click.option("--plaintext", is_flag=True, help="No TLS; only against a loopback server.")
@click.option(
    "--district", "district_id", envvar="SCHOOLBELL_DISTRICT", default="", help="The district."
)
@click.option("--json", "as_json", is_flag=True, help="For scripts: JSON, one object a line.")
@click.pass_context
def main(
    context: click.Context,
    *,
    target: str | None,
    key_file: Path | None,
    ca_file: Path | None,
    plaintext: bool,
    district_id: str,
    as_json: bool,
) -> None:
    """Tell families what changed at school, and see who was told."""
    context.obj = open_session(
        target=target,
        key_file=key_file,
        ca_file=ca_file,
        plaintext=plaintext,
        district_id=district_id,
        as_json=as_json,
    )


for command in (
    bars,
    calendars,
    audit,
    changes,
    deliveries,
    devices,
    display_options,
    districts,
    explain,
    keys,
    persons,
    roster,
    schools,
    server_info,
    settings,
    status,
    subscriptions,
    users,
    watch,
    whoami,
):
    main.add_command(command)
