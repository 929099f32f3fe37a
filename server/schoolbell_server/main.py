"""The `schoolbell-server` command: serve, migrate, backup, restored, keys, sandbox."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import click

from schoolbell_server.audit_command import audit_command
from schoolbell_server.backup import BackupRefused, back_up
from schoolbell_server.config import Config, ConfigError, ServerRole, load_config, warnings
from schoolbell_server.hub.command import hub_command
from schoolbell_server.observability.log import (
    configure_logging,
    get_logger,
    log_loop_errors,
    tell_left_out,
)
from schoolbell_server.observability.repeats import Repeats
from schoolbell_server.open_files import ENOUGH, raise_limit
from schoolbell_server.processes.child import Child
from schoolbell_server.processes.parent import MOST as MOST_PROCESSES
from schoolbell_server.run_command import run_command
from schoolbell_server.security.pseudonyms import Pseudonyms
from schoolbell_server.security.secret_file import SecretExposed
from schoolbell_server.setup.command import init_command
from schoolbell_storage.errors import StorageError

DEFAULT_FILE = Path("schoolbell.toml")

logger = get_logger(__name__)

_config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="SCHOOLBELL_CONFIG",
    help=f"The configuration; {DEFAULT_FILE} if it is here, else the defaults.",
)


@click.group()
@click.version_option(package_name="schoolbell-server")
def main() -> None:
    """Tell families what changed at school, on their phones."""


@main.command()
@_config_option
@click.option(
    "--role",
    type=click.Choice([role.value for role in ServerRole]),
    help="Of several servers on one database, let some take calls and others send.",
)
@click.option("--replay", is_flag=True, help="Play a recorded year; only against sandboxes.")
@click.option(
    "--processes",
    type=click.IntRange(1, MOST_PROCESSES),
    default=1,
    show_default=True,
    help="Serve by so many processes on one port, which uses as many cores; needs PostgreSQL.",
)
@click.option("--child", type=Child.parse, hidden=True, help="What a parent tells its process.")
def serve(
    config_file: Path | None,
    role: str | None,
    *,
    replay: bool,
    processes: int,
    child: Child | None,
) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    config = _load(config_file, role=role, replay=replay, serving=True)
    repeats = configure_logging(config.log)
    if child is None:
        _warn(config, replay=replay)
    if processes == 1:
        run_command(_serve(config, repeats, replay=replay, child=child))
        return
    if not config.storage.url:
        raise click.ClickException("--processes: SQLite has one server; several need storage.url")
    options = [
        *(("--config", str(config_file)) if config_file else ()),
        *(("--role", role) if role else ()),
        *(("--replay",) if replay else ()),
    ]
    run_command(_serve_processes(config, repeats, processes, options))


@main.command()
@_config_option
def migrate(config_file: Path | None) -> None:
    """Bring the database to this version's schema."""
    config = _load(config_file)
    configure_logging(config.log)
    from schoolbell_server import app

    run_command(app.migrate(config))


@main.command()
@_config_option
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def backup(config_file: Path | None, folder: Path) -> None:
    """Copy database (SQLite) and secrets into a new folder, while a server runs.

    The folder is a data directory: a server can be started on it.
    """
    config = _load(config_file)
    try:
        back_up(config, folder)
    except (BackupRefused, StorageError, OSError) as error:
        raise click.ClickException(str(error)) from None
    if config.storage.url:
        click.echo("Secrets only: back PostgreSQL up by its own means, such as pg_dump.", err=True)


@main.command()
@_config_option
def restored(config_file: Path | None) -> None:
    """Say, before the first start, that PostgreSQL was restored from a backup.

    Watchers then list anew instead of going on from a position in another history.
    """
    config = _load(config_file)
    configure_logging(config.log)
    from schoolbell_server import app

    run_command(app.restored(config))


@main.command("operator-key")
@_config_option
def operator_key(config_file: Path | None) -> None:
    """Make another key for the operator, and print the file that holds it.

    The former key stays good until it is revoked. With SQLite, stop the server first.
    """
    config = _load(config_file)
    configure_logging(config.log)
    from schoolbell_server import app

    async def make() -> None:
        click.echo(await app.operator_key(config))

    run_command(make())


@main.command()
@_config_option
@click.argument("district_id")
@click.argument("user_ids", nargs=-1)
def pseudonyms(config_file: Path | None, district_id: str, user_ids: tuple[str, ...]) -> None:
    """Print what stands in a district's audit log for persons once they are erased.

    A line each, with the id behind it. Without ids they are read from the standard input, one a
    line, so that a list of staff finds who acted.
    """
    folder = _load(config_file).server.data_dir / "keys"
    if not (folder / "fingerprint.key").exists():
        raise click.ClickException(f"{folder} holds no fingerprint.key")
    try:
        known = Pseudonyms.load(folder)
    except SecretExposed as error:
        raise click.ClickException(str(error)) from None
    lines: Iterable[str] = user_ids or sys.stdin
    for line in lines:
        if user_id := line.strip():
            click.echo(f"{known.of(district_id, user_id)} {user_id}")


main.add_command(audit_command)
main.add_command(init_command, "init")
main.add_command(hub_command, "hub")
if find_spec("schoolbell_sandbox"):  # a package of its own, which production does without
    from schoolbell_server.sandbox_command import sandbox_command

    main.add_command(sandbox_command)


def _warn(config: Config, *, replay: bool) -> None:
    """Say what is not for production, and raise the limit of open files."""
    if (files := raise_limit()) < ENOUGH:
        logger.warning("few files may be open", extra={"count": files})
    for warning in warnings(config, replay=replay):
        logger.warning("not for production", extra={"warning": warning.code.name})
        click.echo(f"Warning: {warning.text}", err=True)


async def _serve(config: Config, repeats: Repeats, *, replay: bool, child: Child | None) -> None:
    from schoolbell_server import app

    # Batches make many objects that die young by their counts; the collector at its usual pace
    # looks through all that lives, again and again, for a tenth of the time.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    # A transaction goes back and forth between the loop and SQLite's thread some twenty times; at
    # the usual interval each time may wait 5 ms behind a long read.
    sys.setswitchinterval(0.0005)
    async with _logged(repeats):
        await app.serve(config, replay=replay, child=child)


async def _serve_processes(
    config: Config, repeats: Repeats, count: int, options: Sequence[str]
) -> None:
    from schoolbell_server import app

    async with _logged(repeats):
        await app.serve_processes(config, count, options)


@asynccontextmanager
async def _logged(repeats: Repeats) -> AsyncIterator[None]:
    """Log what the loop has to say, and what bounded repeats left out."""
    log_loop_errors(asyncio.get_running_loop())
    telling = asyncio.create_task(tell_left_out(repeats), name="log")
    try:
        yield
    finally:
        telling.cancel()


def _load(
    config_file: Path | None,
    *,
    role: str | None = None,
    replay: bool = False,
    serving: bool = False,
) -> Config:
    """Load the configuration; a role that was asked for wins over the environment's."""
    over = {} if role is None else {"SCHOOLBELL_SERVER_ROLE": role}
    if config_file is None and DEFAULT_FILE.exists():
        config_file = DEFAULT_FILE
    try:
        return load_config(config_file, {**os.environ, **over}, check_files=serving, replay=replay)
    except ConfigError as error:
        raise click.ClickException("\n".join(error.problems)) from None
