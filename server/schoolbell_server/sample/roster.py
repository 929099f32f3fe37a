"""Move the dates of a OneRoster table."""

from __future__ import annotations

import csv
import datetime as dt
import io
from pathlib import Path

_DATE_COLUMNS = frozenset({"startDate", "endDate", "beginDate", "birthDate"})


def school_year(sessions: str, days: dt.timedelta) -> int:
    """Return the year in which the moved school year ends, from the text of its sessions."""
    ends = (row["endDate"] for row in csv.DictReader(io.StringIO(sessions)))
    return (max(map(dt.date.fromisoformat, ends)) + days).year


def write_table(text: str, path: Path, days: dt.timedelta) -> None:
    """Write a table with every date moved by a number of days."""
    reader = csv.DictReader(io.StringIO(text))
    columns = reader.fieldnames or ()
    rows = list(reader)
    if "schoolYear" in columns:
        year = str(school_year(text, days))
        rows = [row | {"schoolYear": year} for row in rows]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {column: _moved(column, cell, days) for column, cell in row.items()} for row in rows
        )


def _moved(column: str, cell: str, days: dt.timedelta) -> str:
    if column not in _DATE_COLUMNS or not cell:
        return cell
    return (dt.date.fromisoformat(cell) + days).isoformat()
