"""What every command shares: the connection, the district, and how answers are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from google.protobuf import json_format
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schoolbell.blocking import Client
from schoolbell.cli.printing import escape, escape_json
from schoolbell.connection import DEFAULT_TARGET, Connection
from schoolbell.errors import SchoolbellError, Unavailable
from schoolbell.keys import read_key
from schoolbell.mistakes import find_mistake
from schoolbell.targets import BadConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """How this run of the command talks to the service, and to its caller."""

    connection: Connection
    district_id: str
    as_json: bool
    console: Console

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Open a client; an error of the service ends the command with its text."""
        try:
            with Client(self.connection) as client:
                yield client
        except SchoolbellError as error:
            raise self.failure(error) from None

    def failure(self, error: SchoolbellError) -> click.ClickException:
        """Return how an error ends the command: with what the caller has to correct, if any."""
        text = str(error)
        if isinstance(error, Unavailable) and not error.reason:
            text = find_mistake(self.connection) or text
        return click.ClickException(text)

    def need_district(self) -> str:
        """Return the district; it has to be named."""
        if not self.district_id:
            raise click.UsageError("name the district: --district, or SCHOOLBELL_DISTRICT")
        return self.district_id

    def show(self, message: Message) -> None:
        """Print one message as JSON, as a script and a person can read it."""
        click.echo(to_json(message))

    def show_rows(
        self, messages: Sequence[Message], columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Print a list: one JSON object a line for scripts, a table for people."""
        if self.as_json:
            for message in messages:
                click.echo(to_json(message, indent=None))
            return
        table = Table(*columns)
        for row in rows:
            table.add_row(*(Text(escape(str(cell))) for cell in row))
        self.console.print(table)


def every_page(call: Callable[[Any], Any], request: Any) -> Iterator[Any]:
    """Yield the answer of every page of a list, the first by the request as it is."""
    while True:
        page = call(request)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def to_json(message: Message, indent: int | None = 2) -> str:
    """Return a message as ProtoJSON."""
    return escape_json(json_format.MessageToJson(message, indent=indent, ensure_ascii=False))


def open_session(
    *,
    target: str | None,
    key_file: Path | None,
    ca_file: Path | None,
    plaintext: bool,
    district_id: str,
    as_json: bool,
) -> Session:
    """Return the session that options and environment describe; options win.

    A key that is none ends the command with its text.
    """
    chosen: dict[str, Any] = {"plaintext": plaintext}
    if target:
        chosen["target"] = target
    if ca_file:
        chosen["ca"] = ca_file.read_bytes()
    try:
        if key_file:
            chosen["key"] = read_key(key_file)
        connection = Connection.from_environment(**chosen)
    except BadConnection as error:
        raise click.ClickException(str(error)) from None
    return Session(
        connection=connection,
        district_id=district_id,
        as_json=as_json,
        console=Console(),
    )


__all__ = ["DEFAULT_TARGET", "Session", "every_page", "open_session", "to_json"]
