"""What an import of a roster may not lose, as options of a command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

_PERCENT = click.FloatRange(0, 100)
_OPTIONS = (
    click.option(
        "--max-deactivated",
        "max_deactivated_percent",
        type=_PERCENT,
        help="Percent of the records of a type that may be deactivated; default 5.",
    ),
    click.option(
        "--max-portal-loss",
        "max_portal_loss_percent",
        type=_PERCENT,
        help="Percent of the relationships with the portal flag that may lose it; default 5.",
    ),
    click.option(
        "--max-birth-date-loss",
        "max_birth_date_loss_percent",
        type=_PERCENT,
        help="Percent of the stored birth dates that may be emptied; default 5.",
    ),
    click.option(
        "--allow-bar-loss",
        is_flag=True,
        help="Bars of the source may be lifted, also with the records that carry them.",
    ),
)


def guard_options(command: Command) -> Command:
    """Give a command the options of an import's guards, by the names of their fields."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
