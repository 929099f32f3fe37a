"""Log in and out: a profile with target, authority, key and district in place of exports."""

from __future__ import annotations

import sys
from dataclasses import replace

import click
from click.shell_completion import get_completion_class

from schoolbell.cli import profiles
from schoolbell.cli.failing import Failed
from schoolbell.cli.printing import say
from schoolbell.cli.session import Session
from schoolbell.cli.shared import Command
from schoolbell.connection import Connection
from schoolbell.keys import check_key
from schoolbell.targets import BadConnection
from schoolbell.v1 import access_service_pb2


@click.command(
    cls=Command,
    calls=["access.GetCaller"],
    examples=[
        "login --target push.district.example:7443 --key-file publisher.key --district maple",
        "login --profile test --target localhost:7443 --ca-file ca.pem  # asks for the key",
    ],
)
@click.pass_obj
def login(session: Session) -> None:
    """Check a key, and keep it with target, authority and district for the next calls.

    They come from the options, then from the environment; without a key it asks for one, or reads
    it from stdin. The profile is a file that only you can read; --profile keeps several.
    """
    name, session.options.profile = session.options.profile, ""
    session.profile = profiles.Profile()  # not what was stored before
    connection = session.connection
    if not connection.key:
        session.connection = connection = _with_key(connection)
    request = access_service_pb2.GetCallerRequest(district_id=session.district_id or "-")
    with session.client() as client:
        caller = client.access.GetCaller(request)
    district = session.district_id
    own = [one for one in caller.district_ids if one != "-"]
    profile = profiles.Profile(
        target=connection.target,
        ca=(connection.ca or b"").decode("ascii", "replace"),
        key=connection.key,
        district=district or (own[0] if len(own) == 1 else ""),
        plaintext=connection.plaintext,
    )
    path = profiles.save(name, profile)
    roles = ", ".join(_role(role) for role in caller.roles)
    where = f" for {profile.district}" if profile.district else ""
    say(f"logged in to {profile.target} as {roles}{where}; kept in {path}", err=True)


def _with_key(connection: Connection) -> Connection:
    """Return the connection with a key that is asked for."""
    if sys.stdin.isatty():
        key = click.prompt("API key", hide_input=True, err=True)
    else:
        key = sys.stdin.readline()
    try:
        key = key.strip().lstrip("\ufeff")
        check_key(key, "what was read")
        return replace(connection, key=key, token_source=None)
    except BadConnection as error:
        raise Failed(str(error), code=Failed.DENIED) from None


def _role(role: int) -> str:
    name = access_service_pb2.Role.Name(access_service_pb2.Role.ValueType(role))
    return name.removeprefix("ROLE_").lower().replace("_", " ")


@click.command(cls=Command, examples=["logout", "logout --profile test"])
@click.pass_obj
def logout(session: Session) -> None:
    """Forget a profile; the key stays good until it is revoked."""
    name = session.options.profile or profiles.DEFAULT
    if not profiles.remove(name):
        raise Failed(f"there is no profile {name}", code=Failed.MISSING)
    say(
        f"forgot the profile {name}; the key itself is revoked by: schoolbell keys revoke", err=True
    )


@click.command(
    cls=Command,
    examples=["completion bash >> ~/.bash_completion", "completion fish > schoolbell.fish"],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """Print what makes a shell complete commands and options."""
    found = get_completion_class(shell)
    assert found is not None
    click.echo(
        found(context.find_root().command, {}, "schoolbell", "_SCHOOLBELL_COMPLETE").source()
    )
