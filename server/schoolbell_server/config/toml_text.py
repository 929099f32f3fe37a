"""Read TOML, whatever a text file that is none holds."""

from __future__ import annotations

import tomllib
from typing import Any


class NotToml(ValueError):
    """A text is no TOML; the message says why."""


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables of a text; NotToml also where it is nested too deep or has huge numbers."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise NotToml("it is nested too deep") from None
    except ValueError as error:
        raise NotToml(str(error)) from None
