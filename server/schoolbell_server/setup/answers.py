"""What the set-up has to know, from options or from questions."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from schoolbell_server.address import Address
from schoolbell_server.domain.kinds import AppType

PARENT_APP: Final = "parent"
STUDENT_APP: Final = "student"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppAnswers:
    """One app, and how it reaches phones."""

    app_id: str
    kind: AppType
    ios_topic: str = ""
    """The bundle id; empty where there is no iOS app."""
    service_account_file: Path | None = None
    """Of the Firebase project; None where there is no Android app."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Everything that a configuration and a first district are made of."""

    district_id: str
    display_name: str
    time_zone: str
    currency_code: str
    administrator: str
    """The SIS's id of the first administrator."""
    listen: Address
    names: tuple[str, ...]
    """Host names by which callers reach the server, for its certificate."""
    storage_url_file: Path | None
    ios_key_file: Path | None
    ios_team_id: str
    apps: tuple[AppAnswers, ...]


def ask(given: str | None, option: str, question: str, default: str | None = None) -> str:
    """Return what was given, else ask; the default where nobody can be asked.

    Raises a usage error that names the option where there is neither.
    """
    if given is not None:
        return given
    if sys.stdin.isatty():
        answer: str = click.prompt(question, default=default, show_default=bool(default))
        return answer.strip()
    if default is None:
        raise click.UsageError(f"{option} is required where nobody can be asked")
    return default


def read_address(text: str) -> Address:
    """Return where to listen; a usage error says what is wrong with it."""
    try:
        return Address.parse(text)
    except ValueError as error:
        raise click.UsageError(f"--listen {error}") from None


def read_file(text: str, option: str) -> Path | None:
    """Return the absolute path of a file that exists; None for an empty answer."""
    if not text:
        return None
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise click.UsageError(f"{option}: there is no file {path}")
    return path
