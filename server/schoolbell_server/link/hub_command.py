"""`schoolbell-server hub`: what hubs and the broker before them need."""

from __future__ import annotations

import click

from schoolbell_server.link.enroll_command import ENROLL_COMMANDS


@click.group("hub")
def hub_command() -> None:
    """Send for districts, and enroll them on the broker."""


for command in ENROLL_COMMANDS:
    hub_command.add_command(command)
