"""The command `schoolbell-server hub`: run a hub."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from schoolbell_server.config import ConfigError
from schoolbell_server.hub.config import HubConfig
from schoolbell_server.hub.enroll_command import ENROLL_COMMANDS
from schoolbell_server.hub.load import load_hub_config
from schoolbell_server.observability.log import configure_logging, log_loop_errors, tell_left_out
from schoolbell_server.run_command import run_command
from schoolbell_server.security.sealing import HubKeys
from schoolbell_server.security.secret_file import SecretExposed

DEFAULT_FILE = Path("schoolbell-hub.toml")


@click.group(invoke_without_command=True)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="SCHOOLBELL_HUB_CONFIG",
    default=DEFAULT_FILE,
    show_default=True,
    help="The hub's configuration.",
)
@click.pass_context
def hub_command(context: click.Context, config_file: Path) -> None:
    """Send for districts that reach a message broker only, until SIGTERM or Ctrl-C."""
    context.obj = config_file
    if context.invoked_subcommand is None:
        _serve(load(config_file))


for _command in ENROLL_COMMANDS:
    hub_command.add_command(_command)


@hub_command.command("key")
@click.pass_obj
def key_command(config_file: Path) -> None:
    """Print the public key that districts seal for, as `link.hub_key`; make it where none is."""
    try:
        click.echo(HubKeys(load(config_file).hub.data_dir / "keys").public_key)
    except (SecretExposed, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None


def load(config_file: Path) -> HubConfig:
    """Return the configuration of a hub, or end with what is wrong with it."""
    try:
        return load_hub_config(config_file)
    except ConfigError as error:
        raise click.ClickException("\n".join(error.problems)) from None


def _serve(config: HubConfig) -> None:
    repeats = configure_logging(config.log)
    if config.broker.plaintext:
        click.echo(
            "Warning: communication with the broker is not encrypted. Not for production.", err=True
        )

    async def work() -> None:
        from schoolbell_server.hub import service

        log_loop_errors(asyncio.get_running_loop())
        telling = asyncio.create_task(tell_left_out(repeats), name="log")
        try:
            await service.serve(config)
        finally:
            telling.cancel()

    run_command(work())
