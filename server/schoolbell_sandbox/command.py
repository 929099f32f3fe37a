"""The `schoolbell-server sandbox` command."""

from __future__ import annotations

import asyncio
import signal
import tomllib
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import click
import uvloop
from rich.console import Console

from schoolbell_sandbox.credentials import BrokenCredentials
from schoolbell_sandbox.faults import Fault
from schoolbell_sandbox.from_json import decode
from schoolbell_sandbox.phones import show_phones
from schoolbell_sandbox.server import Sandbox, SandboxSettings

_PORT = click.IntRange(0, 65_535)
_PORT_HELP = "0 takes a free one, or that of the last run."


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOptions:
    """What the command line says."""

    settings: SandboxSettings
    phones: bool = False
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultsFile:
    """What a file of faults may say."""

    faults: tuple[Fault, ...] = ()


@click.command()
@click.option("--dir", "directory", type=click.Path(path_type=Path), help="Keep keys and ports.")
@click.option("--apns-port", type=_PORT, default=0, help=_PORT_HELP)
@click.option("--fcm-port", type=_PORT, default=0, help=_PORT_HELP)
@click.option("--control-port", type=_PORT, default=0, help=_PORT_HELP)
@click.option("--phones", is_flag=True, help="Show notifications as the phones do.")
@click.option(
    "--faults",
    "faults_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML: the faults to inject, each a [[faults]] table.",
)
def sandbox_command(
    directory: Path | None,
    apns_port: int,
    fcm_port: int,
    control_port: int,
    phones: bool,
    faults_file: Path | None,
) -> None:
    """Run sandbox gateways that behave as APNs and FCM do, until interrupted."""
    settings = SandboxSettings(
        directory=directory, apns_port=apns_port, fcm_port=fcm_port, control_port=control_port
    )
    faults = read_faults(faults_file) if faults_file else ()
    run(CommandOptions(settings=settings, phones=phones, faults=faults))


def run(options: CommandOptions) -> None:
    """Run the sandbox until SIGINT or SIGTERM; raise click.ClickException where it cannot start."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(serve(options, Console()))
        except (OSError, BrokenCredentials) as error:
            raise click.ClickException(str(error)) from error


async def serve(options: CommandOptions, console: Console) -> None:
    """Serve until a signal comes."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(options.settings))
        for fault in options.faults:
            sandbox.faults.add(fault)
        for name, value in sandbox.facts.items():
            console.print(f"{name} = {value}", highlight=False, soft_wrap=True)
        if options.phones:
            phones = asyncio.create_task(show_phones(sandbox.ledger, console), name="phones")
            stack.callback(phones.cancel)
        await stop.wait()
    totals = sandbox.ledger.totals()
    console.print(f"{totals.accepted} accepted, {totals.duplicates} of them duplicates.")


def read_faults(path: Path) -> tuple[Fault, ...]:
    """Read faults from a TOML file; raise click.BadParameter with the field at fault."""
    try:
        return decode(FaultsFile, tomllib.loads(path.read_text(encoding="utf-8"))).faults
    except ValueError as error:  # no UTF-8, no TOML, or BadInput
        raise click.BadParameter(str(error), param_hint="--faults") from error
