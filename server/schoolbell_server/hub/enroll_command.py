"""`schoolbell-server hub setup`, `enroll`, `rotate` and `remove`: districts on the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from urllib.parse import urlsplit

import click

from schoolbell_server.address import Address
from schoolbell_server.config.problems import ConfigError
from schoolbell_server.config.secret import Secret
from schoolbell_server.config.topology import HUB_USER, DistrictTopology
from schoolbell_server.hub.enrollment import Enrollment
from schoolbell_server.hub.load import load_hub_config
from schoolbell_server.hub.management import ManagementFailed, management
from schoolbell_server.hub.users import EnrollmentRefused
from schoolbell_server.link.login import Login
from schoolbell_server.security.sealing import HubKeys
from schoolbell_server.security.secret_file import SecretExposed, read_secret, write_secret

_AMQPS = 5671
_PASSWORD_FILE = "link.password"
_CA_FILE = "link-ca.pem"
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@dataclass(frozen=True, slots=True)
class _Access:
    """How an administrator reaches the broker's management API."""

    url: str
    user: str
    password: Secret
    ca_file: Path | None

    def run(self, work: Callable[[Enrollment], Awaitable[None]]) -> None:
        """Do something on the broker; what it refuses is told in one line."""

        async def within() -> None:
            async with management(self.url, self.user, self.password, self.ca_file) as broker:
                await work(Enrollment(broker))

        try:
            asyncio.run(within())
        except (EnrollmentRefused, ManagementFailed) as error:
            raise click.ClickException(str(error)) from None
        except ValueError as error:
            raise click.ClickException(f"--management: {error}") from None


@dataclass(frozen=True, slots=True)
class _Handed:
    """What the owner of a user has to configure, and where it is written."""

    broker: Address
    ca_file: Path | None
    out: Path | None

    def hand(self, table: str, user: str, login: Login, *further: str) -> None:
        """Write, or print, a table of a configuration and the line of its password file."""
        lines = [
            f"[{table}]",
            f'url = "amqps://{user}@{self.broker}"',
            f'password_file = "{_PASSWORD_FILE}"',
            *([f'ca_file = "{_CA_FILE}"'] if self.ca_file else []),
            *further,
        ]
        self._show(f"{table}.toml", "\n".join(lines))
        if self.ca_file and self.out:
            write_secret(self.out / _CA_FILE, self.ca_file.read_bytes())
            click.echo(f"Written: {self.out / _CA_FILE}", err=True)
        self.hand_password(login)

    def hand_password(self, login: Login) -> None:
        """Write, or print, the line of a password file; there is none for a user that stood."""
        if not login.password:
            click.echo(f"{login.user} keeps its password; `hub rotate` makes another.", err=True)
            return
        if self.out is None:
            click.echo(f"The only line of {_PASSWORD_FILE}, mode 0600, shown once:", err=True)
        self._show(_PASSWORD_FILE, login.line)

    def _show(self, name: str, text: str) -> None:
        if self.out is None:
            click.echo(text)
        else:
            write_secret(self.out / name, f"{text}\n".encode())
            click.echo(f"Written: {self.out / name}", err=True)


def _on_broker(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, as `access`, the options by which an administrator reaches the broker."""

    @wraps(command)
    def called(
        management_url: str,
        administrator: str,
        password_file: Path,
        ca_file: Path | None,
        **rest: object,
    ) -> None:
        try:
            password = Secret(read_secret(password_file).decode().strip())
        except (OSError, SecretExposed, UnicodeDecodeError) as error:
            raise click.ClickException(f"--password-file: {error}") from None
        command(access=_Access(management_url, administrator, password, ca_file), **rest)

    for option in _ACCESS_OPTIONS:
        called = option(called)
    return called


def _to_hand(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, as `handed`, the options of what it hands out."""

    @wraps(command)
    def called(access: _Access, broker: str, out: Path | None, **rest: object) -> None:
        host = urlsplit(access.url).hostname or ""
        try:
            address = Address.parse(broker) if broker else Address(host, _AMQPS)
        except ValueError as error:
            raise click.ClickException(f"--broker: {error}") from None
        command(access=access, handed=_Handed(address, access.ca_file, out), **rest)

    for option in _HAND_OPTIONS:
        called = option(called)
    return called


_ACCESS_OPTIONS = (
    click.option(
        "--management",
        "management_url",
        required=True,
        envvar="SCHOOLBELL_HUB_MANAGEMENT",
        help="RabbitMQ's management API, such as https://broker.example:15671.",
    ),
    click.option(
        "--administrator",
        default="administrator",
        show_default=True,
        envvar="SCHOOLBELL_HUB_ADMINISTRATOR",
        help="A user of RabbitMQ with the tag administrator.",
    ),
    click.option(
        "--password-file",
        type=_FILE,
        required=True,
        envvar="SCHOOLBELL_HUB_PASSWORD_FILE",
        help="Its password, the only line of a file with mode 0600.",
    ),
    click.option(
        "--ca-file",
        type=_FILE,
        envvar="SCHOOLBELL_HUB_CA_FILE",
        help="The authority of the broker's certificates, where the system knows it not.",
    ),
)
_HAND_OPTIONS = (
    click.option(
        "--broker",
        default="",
        help="HOST:PORT of the broker for its users; else port 5671 of the management's host.",
    ),
    click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        help="Write files of mode 0600 into this folder instead of printing.",
    ),
)


@click.command("setup")
@_on_broker
@_to_hand
def setup_command(access: _Access, handed: _Handed) -> None:
    """Prepare the broker for hubs, and say what a hub configures."""

    async def work(enrollment: Enrollment) -> None:
        login = await enrollment.set_up()
        handed.hand("broker", HUB_USER, login)

    access.run(work)


@click.command("enroll")
@click.argument("district")
@_on_broker
@_to_hand
@click.pass_obj
def enroll_command(config_file: Path, district: str, access: _Access, handed: _Handed) -> None:
    """Make a district's user and queues on the broker, and say what the district configures.

    Repeated, it makes what is missing and leaves the password as it is. Beside a hub's
    configuration it also gives the key that the district may seal for.
    """
    topology, sealing = _topology(district), _sealing(config_file)

    async def work(enrollment: Enrollment) -> None:
        login = await enrollment.enroll(topology)
        handed.hand("link", topology.user, login, *sealing)

    access.run(work)


@click.command("rotate")
@click.argument("district", required=False)
@click.option("--end", is_flag=True, help="End the former password, once all use the new one.")
@click.option("--now", is_flag=True, help="With --end: whether it is in use or not.")
@_on_broker
@_to_hand
def rotate_command(
    district: str | None, access: _Access, handed: _Handed, *, end: bool, now: bool
) -> None:
    """Make another password of a district, or without one of the hubs; the former stays good.

    Put the new line into every server's password file, then repeat with --end. Nothing restarts.
    """
    # A variable of a script that is not set is no wish to change the hubs' own password.
    topology = None if district is None else _topology(district)

    async def work(enrollment: Enrollment) -> None:
        user = enrollment.hubs() if topology is None else enrollment.district_user(topology)
        if not end:
            handed.hand_password(await user.rotate())
            return
        for former in await user.end_rotation(now=now) or ["nothing"]:
            click.echo(f"Ended: {former}")

    if now and not end:
        raise click.UsageError("--now needs --end")
    access.run(work)


@click.command("remove")
@click.argument("district")
@click.option("--discard", is_flag=True, help="Also where messages wait, which are lost.")
@_on_broker
def remove_command(district: str, access: _Access, *, discard: bool) -> None:
    """Take a district's user and queues off the broker."""
    topology = _topology(district)

    async def work(enrollment: Enrollment) -> None:
        await enrollment.remove(topology, discard=discard)
        click.echo(f"Removed: {district}")

    access.run(work)


def _topology(district: str) -> DistrictTopology:
    try:
        return DistrictTopology(district)
    except ValueError as error:
        raise click.ClickException(f"DISTRICT: {error}") from None


def _sealing(config_file: Path) -> list[str]:
    """Return what a district sets to seal for the hub whose configuration is here."""
    if not config_file.exists():
        return []
    try:
        config = load_hub_config(config_file)
        key = HubKeys(config.hub.data_dir / "keys").public_key
    except ConfigError as error:
        raise click.ClickException("\n".join(error.problems)) from None
    except (OSError, SecretExposed, ValueError) as error:
        raise click.ClickException(str(error)) from None
    return [
        "# So that the broker cannot read what is sent:",
        '# payload = "sealed"',
        f'# hub_key = "{key}"',
    ]


ENROLL_COMMANDS = (setup_command, enroll_command, rotate_command, remove_command)
"""The commands of `schoolbell-server hub` that work on a broker, and need no configuration."""
