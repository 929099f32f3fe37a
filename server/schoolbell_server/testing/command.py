"""`schoolbell-server sandbox --service`: the service of a test, for languages other than Python."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import click
import uvloop
from rich.console import Console

from schoolbell_sandbox.command import read_faults
from schoolbell_sandbox.credentials import BrokenCredentials
from schoolbell_sandbox.phones import show_phones
from schoolbell_sandbox.settings import SandboxSettings
from schoolbell_server.rpc.server import CannotListen
from schoolbell_server.testing.district import (
    CALENDAR,
    FATHER,
    MOTHER,
    SIBLING,
    SOURCE,
    STUDENT,
    phone_of_mother,
)
from schoolbell_server.testing.service import Service, server


def run(port: int, **given: Any) -> None:
    """Run a service until SIGINT or SIGTERM; ClickException where it cannot start."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(serve(port, **given))
        except (OSError, BrokenCredentials, CannotListen) as error:
            raise click.ClickException(str(error)) from error


async def serve(
    port: int,
    *,
    directory: Path | None,
    phones: bool,
    faults_file: Path | None,
    **ports: Any,
) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    faults = read_faults(faults_file) if faults_file else ()
    async with server(directory, port=port, settings=SandboxSettings(**ports)) as service:
        for fault in faults:
            service.sandbox.faults.add(fault)
        click.echo(json.dumps(facts(service)))
        showing = [show_phones(service.sandbox.ledger, Console())] if phones else []
        tasks = [asyncio.create_task(one, name="phones") for one in showing]
        await stop.wait()
        for task in tasks:
            task.cancel()


def facts(service: Service) -> dict[str, Any]:
    """Return what a caller has to know."""
    return {
        "target": service.target,
        "ca_file": str(service.ca_file),
        "ca": service.ca_file.read_text(encoding="ascii"),
        "keys": service.keys,
        "district_id": service.district_id,
        "calendar_id": CALENDAR,
        "source": SOURCE,
        "students": [STUDENT, SIBLING],
        "guardians": [MOTHER, FATHER],
        "phone": phone_of_mother(service.district_id),
        "control": f"http://127.0.0.1:{service.sandbox.control_port}",
    }
