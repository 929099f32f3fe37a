"""How a command ends that did not do what it was asked: its text, and its exit code."""

from __future__ import annotations

from typing import Any, ClassVar

import click
import grpc

from schoolbell.cli.output import Form, Output
from schoolbell.cli.printing import escape
from schoolbell.connection import Connection
from schoolbell.errors import SchoolbellError, Unavailable, Unreachable
from schoolbell.mistakes import find_mistake

CODES = """\b
Exit codes:
  0  done
  1  refused: bad input, a conflict, or lines that did not go through
  2  the command line cannot be understood
  3  no key, a key that is not known, or a right that is missing
  4  there is no such thing
  5  the service cannot be reached, or does not answer in time
  6  a fault of the service"""


class Failed(click.ClickException):
    """The command ends with a text and an exit code."""

    REFUSED: ClassVar = 1
    DENIED: ClassVar = 3
    MISSING: ClassVar = 4
    UNREACHABLE: ClassVar = 5
    FAULT: ClassVar = 6

    def __init__(self, message: str, *, code: int = REFUSED, data: Any = None) -> None:
        super().__init__(message)
        vars(self)["exit_code"] = code  # a class variable to click
        self.data = data or {"code": _WORDS[code], "message": message}
        """What JSON and YAML say of it; `code` is there in every error."""


_WORDS = {
    Failed.REFUSED: "REFUSED",
    Failed.DENIED: "UNAUTHENTICATED",
    Failed.MISSING: "NOT_FOUND",
    Failed.UNREACHABLE: "UNAVAILABLE",
    Failed.FAULT: "INTERNAL",
}
"""What an error is called that no call has named."""
_CODES = {
    grpc.StatusCode.UNAUTHENTICATED: Failed.DENIED,
    grpc.StatusCode.PERMISSION_DENIED: Failed.DENIED,
    grpc.StatusCode.NOT_FOUND: Failed.MISSING,
    grpc.StatusCode.UNAVAILABLE: Failed.UNREACHABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: Failed.UNREACHABLE,
    grpc.StatusCode.INTERNAL: Failed.FAULT,
    grpc.StatusCode.UNKNOWN: Failed.FAULT,
    grpc.StatusCode.UNIMPLEMENTED: Failed.FAULT,
}


def of_error(error: SchoolbellError, connection: Connection) -> Failed:
    """Return how an error of a call ends the command."""
    text = str(error)
    if isinstance(error, Unavailable) and not error.reason:
        if isinstance(error, Unreachable):
            text = error.status.message
        else:
            away = f"{connection.target} does not answer; nothing is known of the outcome"
            text = find_mistake(connection) or away
    elif error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        text = f"no answer in {connection.deadline:g} s; nothing is known of the outcome; "
        text += "--timeout waits longer"
    elif error.code is grpc.StatusCode.UNAUTHENTICATED and connection.key:
        text = (
            "UNAUTHENTICATED: the service does not know this API key; it was revoked, has ended, "
        )
        text += "or is of another installation: schoolbell login, or --key-file"
    data = {
        "code": error.code.name,
        "reason": error.reason,
        "message": text,
        "metadata": dict(error.metadata),
        "fields": [
            {"path": one.path, "text": one.text, "reason": one.reason} for one in error.fields
        ],
    }
    kept = {name: value for name, value in data.items() if value}
    return Failed(text, code=_CODES.get(error.code, Failed.REFUSED), data=kept)


def show(error: click.ClickException, data: Any) -> None:
    """Print an error to stderr: as an object where data are printed, else as a line."""
    context = click.get_current_context(silent=True)
    options = getattr(context and context.find_object(object), "options", None)
    form = getattr(options, "output", Form.TABLE)
    if form in (Form.JSON, Form.YAML):
        click.echo(Output(form).dumped({"error": data}), err=True)
        return
    lines = error.format_message().split("\n")
    click.echo("Error: " + "\n".join(escape(line) for line in lines), err=True)


__all__ = ["CODES", "Failed", "of_error", "show"]
