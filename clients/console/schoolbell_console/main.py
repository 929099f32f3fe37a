"""`schoolbell-console`: serve the console, or make a link that signs in."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path

import click
from aiohttp import web

from schoolbell import BadConnection, read_key
from schoolbell_console.app import make_app
from schoolbell_console.certificates import Certificates
from schoolbell_console.config import BadConfig, Config, load
from schoolbell_console.links import make_link
from schoolbell_console.seals import read_seals

_COOKIES = 24 * 1024  # bytes of one header: a sealed token of many groups is long
_CONFIG = click.option(
    "--config",
    "path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration, a TOML file.",
)


@click.group()
def main() -> None:
    """Serve the console of Schoolbell, for administrators, in a browser."""


@main.command()
@_CONFIG
def serve(path: Path) -> None:
    """Serve the console until it is stopped."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(_serve(load(path)))
    except (BadConfig, BadConnection, OSError) as error:
        raise click.ClickException(str(error)) from None


@main.command()
@_CONFIG
@click.option(
    "--key-file",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The file with the API key of the person who signs in.",
)
def link(path: Path, key_file: Path) -> None:
    """Print a link to the running console that signs in: once, within 15 minutes."""
    try:
        config, key = load(path), read_key(key_file)
        seals = read_seals(config.console.cookie_key_file)
    except (BadConfig, BadConnection) as error:
        raise click.ClickException(str(error)) from None
    click.echo(make_link(seals, config.console.origin, key))


async def _serve(config: Config) -> None:
    runner = web.AppRunner(
        make_app(config), access_log=None, shutdown_timeout=5.0, max_field_size=_COOKIES
    )
    tls = Certificates(config.tls) if config.tls is not None else None
    watching = asyncio.create_task(tls.watch()) if tls is not None else None
    await runner.setup()
    try:
        host, port = config.address
        context = tls.context if tls is not None else None
        await web.TCPSite(runner, host or None, port, ssl_context=context).start()
        bound = runner.addresses[0]
        click.echo(f"The console listens on {bound[0]}:{bound[1]}, for {config.console.origin}")
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await stop.wait()
    finally:
        if watching is not None:
            watching.cancel()
        await runner.cleanup()
