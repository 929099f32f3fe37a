"""The groups of commands, and how every error that leaves a command is shown."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

import click

from schoolbell.cli.failing import CODES, Failed, show
from schoolbell.cli.rpc import Rpc
from schoolbell.cli.shared import shared_options

_INTERRUPTED = 130


class Root(click.Group):
    """The command as a whole: shared options, and errors in the form that was asked for."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params = [*shared_options(hidden=False), *self.params]
        self.epilog = CODES

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its lines say less than our own
        logging.basicConfig(format="%(message)s", level=logging.WARNING)
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            if _is_for_people(ctx):
                raise
            show(error, {"code": "USAGE", "message": error.format_message()})
            raise SystemExit(error.exit_code) from None
        except click.ClickException as error:
            unnamed = Failed(error.format_message())
            show(error, getattr(error, "data", unnamed.data))
            raise SystemExit(error.exit_code) from None
        except KeyboardInterrupt:
            raise SystemExit(_INTERRUPTED) from None


def _is_for_people(ctx: click.Context) -> bool:
    return ctx.obj is None or ctx.obj.output.is_for_people


def add_calls(group: click.Group, calls: Mapping[str, Rpc]) -> None:
    """Give a group commands that are one call each."""
    for name, one in calls.items():
        group.add_command(one.command(name))
