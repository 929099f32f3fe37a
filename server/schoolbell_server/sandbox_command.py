"""`schoolbell-server sandbox`, with an option that runs a service beside the gateways."""

from __future__ import annotations

from typing import Any

import click

from schoolbell_sandbox.command import sandbox_command as gateways_command

_OPTIONS = (
    click.Option(
        ["--service"],
        is_flag=True,
        help="Run a service with a district ready; print how to reach it, as a line of JSON.",
    ),
    click.Option(
        ["--service-port"],
        type=click.IntRange(0, 65_535),
        default=0,
        help="Where the service listens; 0 takes a free one.",
    ),
)


def _run(*, service: bool, service_port: int, **given: Any) -> None:
    if service:
        from schoolbell_server.testing.command import run

        run(service_port, **given)
    else:
        assert gateways_command.callback is not None
        gateways_command.callback(**given)


sandbox_command = click.Command(
    "sandbox",
    callback=_run,
    params=[*gateways_command.params, *_OPTIONS],
    help=gateways_command.help,
)
