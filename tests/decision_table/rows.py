"""The rows of the decision table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.decision_table.scenario import read

_TABLES = sorted(Path(__file__).parent.glob("[0-9]_*.toml"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A scenario, and what one device of it is to expect."""

    name: str
    expect: str
    """`told`, `correction`, or the gate's number and the reason."""
    value: str | None = None
    change: str = "grade"
    given: Mapping[str, Any]
    without: tuple[str, ...]
    device: str = "mom-phone"
    """'' for a person who has none."""
    person: str = ""
    """The device's user, unless the row says so."""

    def user_id(self) -> str:
        """Return whose device it is."""
        return self.person or self.device.partition("-")[0]


def _rows() -> list[Row]:
    return [
        Row(**{"given": {}, "without": (), **plain})
        for table in _TABLES
        for plain in read(table)["row"]
    ]


ROWS = _rows()
