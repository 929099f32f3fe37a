"""The options that every command takes, wherever they stand, and what the help of each one has."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from schoolbell.cli.output import Form
from schoolbell.cli.session import Session
from schoolbell.connection import DEFAULT_TARGET

_FILE = click.Path(path_type=Path)


def shared_options(*, hidden: bool) -> list[click.Option]:
    """Return the shared options; behind a command's name its help does not repeat them."""
    found: list[tuple[list[str], dict[str, Any]]] = [
        (
            ["--target"],
            {"help": f"host:port of the service; {DEFAULT_TARGET}, or SCHOOLBELL_TARGET."},
        ),
        (
            ["--key-file"],
            {
                "type": _FILE,
                "help": "The file with your API key; or SCHOOLBELL_KEY, SCHOOLBELL_KEY_FILE.",
            },
        ),
        (
            ["--ca-file"],
            {
                "type": _FILE,
                "help": "The authority of the server's certificate; or SCHOOLBELL_CA_FILE.",
            },
        ),
        (
            ["--plaintext"],
            {"is_flag": True, "default": None, "help": "No TLS; only against a loopback server."},
        ),
        (
            ["--district"],
            {"help": "The district; or SCHOOLBELL_DISTRICT. `-` is every one that you may read."},
        ),
        (["--profile"], {"help": "What `schoolbell login` stored under this name."}),
        (
            ["--timeout"],
            {"type": click.FloatRange(0, min_open=True), "help": "Seconds to wait for an answer."},
        ),
        (
            ["--wait"],
            {"is_flag": True, "default": None, "help": "Wait for a service that is not there yet."},
        ),
        (
            ["-o", "--output"],
            {
                "type": click.Choice([form.value for form in Form]),
                "help": "How answers and errors are printed; json is one object a line.",
            },
        ),
        (
            ["--json", "as_json"],
            {"is_flag": True, "default": None, "help": "The same as --output json."},
        ),
    ]
    return [
        click.Option(names, expose_value=False, callback=_keep, hidden=hidden, **more)
        for names, more in found
    ]


def _keep(context: click.Context, option: click.Parameter, value: Any) -> None:
    """Keep the value of a shared option in the session."""
    session = context.ensure_object(Session)
    name = str(option.name)
    if value is None:
        return
    if name == "as_json":
        name, value = "output", Form.JSON
    elif name == "output":
        value = Form(value)
    setattr(session.options, name, value)


class Command(click.Command):
    """A command that takes the shared options too, shows examples, and knows its calls."""

    def __init__(
        self,
        *args: Any,
        examples: Iterable[str] = (),
        calls: Iterable[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        own = {name for one in self.params for name in one.opts}
        self.params += [one for one in shared_options(hidden=True) if not own & set(one.opts)]
        self.calls = tuple(calls)
        """The RPCs that it may call, such as `access.ListRights`."""
        self.examples = tuple(examples)
        lines = "\n".join(f"  schoolbell {one}" for one in self.examples)
        self.epilog = f"\b\nExamples:\n{lines}" if lines else None
