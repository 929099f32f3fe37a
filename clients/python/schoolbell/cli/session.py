"""What every command shares: the connection, the district, and how it asks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from schoolbell.blocking import Client
from schoolbell.cli import profiles
from schoolbell.cli.failing import Failed, of_error
from schoolbell.cli.output import Form, Output
from schoolbell.connection import Connection, is_proxied, read_authority
from schoolbell.errors import SchoolbellError
from schoolbell.keys import InvalidKeyError, read_key
from schoolbell.mistakes import look
from schoolbell.targets import BadConnection

WAIT = 60.0  # seconds that `--wait` waits without `--timeout`
PAGE = 500
_AGAIN = 0.5  # seconds between two tries of `--wait`
_EVERY = 2.0  # seconds between two answers of `--watch`


@dataclass(kw_only=True)
class Options:
    """The options that every command takes, before its name or behind it."""

    target: str | None = None
    key_file: Path | None = None
    ca_file: Path | None = None
    plaintext: bool = False
    district: str = ""
    profile: str = ""
    timeout: float | None = None
    wait: bool = False
    output: Form = Form.TABLE


@dataclass(kw_only=True)
class Session:
    """How this run of the command talks to the service, and to its caller."""

    options: Options = field(default_factory=Options)

    @cached_property
    def output(self) -> Output:
        """Return where answers are printed."""
        return Output(self.options.output)

    @cached_property
    def profile(self) -> profiles.Profile:
        """Return the profile that is chosen, or an empty one."""
        return profiles.load(self.options.profile)

    @cached_property
    def connection(self) -> Connection:
        """Return where and as whom to call: options, then the environment, then the profile.

        A profile that is named stands before the environment.
        """
        options, stored = self.options, self.profile.connection()
        chosen: dict[str, Any] = {"plaintext": options.plaintext}
        if options.target:
            chosen["target"] = options.target
        try:
            if options.ca_file:
                chosen["ca"] = read_authority(options.ca_file)
            if options.key_file:
                chosen["key"] = read_key(options.key_file)
            if options.profile:
                connection = Connection(**(stored | chosen))
            else:
                connection = Connection.from_environment(defaults=stored, **chosen)
        except BadConnection as error:
            is_key = isinstance(error, InvalidKeyError)
            code = Failed.DENIED if is_key else Failed.UNREACHABLE
            raise Failed(str(error), code=code) from None
        if options.timeout is not None:
            return replace(connection, deadline=options.timeout)
        return connection

    @property
    def district_id(self) -> str:
        """Return the district; '' where none is named."""
        stored = self.profile.district
        chosen = self.options.district or (stored if self.options.profile else "")
        return chosen or os.environ.get("SCHOOLBELL_DISTRICT", "") or stored

    def need_district(self) -> str:
        """Return the district; it has to be named, and somebody to ask for it."""
        self._need_key()
        if not self.district_id:
            raise click.UsageError(
                "name the district: --district, SCHOOLBELL_DISTRICT, or log in with it"
            )
        return self.district_id

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Open a client; an error of the service ends the command with its text."""
        self.reach()
        try:
            with Client(self.connection) as client:
                yield client
        except (SchoolbellError, InvalidKeyError) as error:
            raise self.failure(error) from None

    def failure(self, error: SchoolbellError | InvalidKeyError) -> Failed:
        """Return how an error of a call, or of a token file before it, ends the command."""
        if isinstance(error, InvalidKeyError):
            return Failed(str(error), code=Failed.DENIED)
        return of_error(error, self.connection)

    def reach(self) -> None:
        """End the command with the reason where nobody can be called; `--wait` waits for them."""
        self._need_key()
        connection = self.connection
        if is_proxied(connection.target):
            return
        patience = (self.options.timeout or WAIT) if self.options.wait else 0.0
        until, is_said = time.monotonic() + patience, False
        while True:
            found = look(connection)
            if found.mistake:
                raise Failed(self._mistake(found.mistake), code=Failed.UNREACHABLE)
            if not found.away:
                return
            if time.monotonic() >= until:
                hint = "" if patience else "; start the server, correct --target, or --wait for it"
                text = f"{connection.target} does not answer: {found.away}{hint}"
                raise Failed(text, code=Failed.UNREACHABLE)
            if not is_said:
                text = f"waiting for {connection.target}: {found.away}"
                self.output.note(text, waiting=text)
            is_said = True
            time.sleep(_AGAIN)

    def _need_key(self) -> None:
        try:
            shown = self.connection.metadata()
        except InvalidKeyError as error:  # of a token file
            raise self.failure(error) from None
        if not shown:
            text = "no API key: schoolbell login stores one; or --key-file, SCHOOLBELL_KEY_FILE"
            raise Failed(text, code=Failed.DENIED)

    def _mistake(self, mistake: str) -> str:
        """Return a mistake with the setting to correct."""
        if "not valid for" in mistake:
            return f"{self.connection.target}: {mistake}: correct --target, or its certificate"
        if "expired" in mistake or "not yet valid" in mistake:
            return f"{self.connection.target}: {mistake}: its operator has to renew it"
        if "not trusted" in mistake:
            named = self.options.ca_file or os.environ.get("SCHOOLBELL_CA_FILE")
            now = named or ("the profile's" if self.connection.ca else "the system's")
            return (
                f"{self.connection.target}: {mistake}; "
                f"name the authority that signed it with --ca-file (now: {now})"
            )
        if "plaintext" in mistake:
            return f"{self.connection.target}: the server speaks TLS: leave out --plaintext"
        return f"{self.connection.target}: {mistake}: correct --target"

    def pages(self, call: Callable[[Any], Any], request: Any, limit: int = 0) -> Iterator[Any]:
        """Yield the answer of every page of a list, as far as `limit` records; 0 is all."""
        request.page_size = min(limit, PAGE) if limit else PAGE  # a token is bound to it
        asked = 0
        while True:
            page = call(request)
            yield page
            asked += request.page_size
            if not page.next_page_token or (limit and asked >= limit):
                return
            request.page_token = page.next_page_token

    def repeat(self, show: Callable[[], None], *, watched: bool) -> None:
        """Show an answer; again every two seconds where it is watched, until Ctrl-C."""
        console = self.output.console
        while True:
            if watched and console.is_terminal and self.output.is_for_people:
                console.clear()
            show()
            if not watched:
                return
            time.sleep(_EVERY)
