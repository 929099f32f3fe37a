"""`schoolbell`: what administrators, monitors and scripts do with the service."""

from __future__ import annotations

import click

from schoolbell.cli.access import audit, keys, rights, server_info, whoami
from schoolbell.cli.changes import changes
from schoolbell.cli.deliveries import deliveries
from schoolbell.cli.devices import devices, notifications
from schoolbell.cli.districts import display_options, districts
from schoolbell.cli.explain import explain
from schoolbell.cli.groups import Root
from schoolbell.cli.login import completion, login, logout
from schoolbell.cli.persons import persons
from schoolbell.cli.roster import roster
from schoolbell.cli.rosters import bars, calendars, schools, students, users
from schoolbell.cli.settings import settings
from schoolbell.cli.status import status
from schoolbell.cli.subscriptions import subscriptions
from schoolbell.cli.watch import watch
from schoolbell.version import VERSION


@click.group(cls=Root)
@click.version_option(VERSION, prog_name="schoolbell")
def main() -> None:
    """Tell families what changed at school, and see who was told."""


for command in (
    audit,
    bars,
    calendars,
    changes,
    completion,
    deliveries,
    devices,
    display_options,
    districts,
    explain,
    keys,
    login,
    logout,
    notifications,
    persons,
    rights,
    roster,
    schools,
    server_info,
    settings,
    status,
    students,
    subscriptions,
    users,
    watch,
    whoami,
):
    main.add_command(command)
