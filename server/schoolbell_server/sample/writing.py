"""Write the sample district as if its school day were the day on which it is played."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

from schoolbell_server.sample.day import DayClock, write_day
from schoolbell_server.sample.roster import school_year, write_table

SCHOOL_DAY = dt.date(2026, 11, 24)
"""The day that the files in `data/` tell of."""

_DATA = files("schoolbell_server.sample") / "data"
_BEFORE_NOW = dt.timedelta(seconds=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleDay:
    """Where the sample lies."""

    roster: Path
    """A folder of OneRoster 1.1 CSV files."""
    relationships: Path
    """The side file with the portal flags and bars."""
    changes: Path
    """A JSON Lines feed of changes."""
    school_year: int


def write(directory: Path, now: dt.datetime, zone: str) -> SampleDay:
    """Write roster and feed into a directory: a school day that ends just before `now`.

    Every date moves by the same number of days, so that the school day is the local day of
    `now`; soon after midnight its changes lie closer together, for none may be of yesterday.
    """
    local = now.astimezone(ZoneInfo(zone))
    days = local.date() - SCHOOL_DAY
    written = SampleDay(
        roster=directory / "oneroster",
        relationships=directory / "relationships.csv",
        changes=directory / "day.jsonl",
        school_year=school_year((_DATA / "oneroster" / "academicSessions.csv").read_text(), days),
    )
    written.roster.mkdir(parents=True, exist_ok=True)
    for name in (file.name for file in (_DATA / "oneroster").iterdir()):
        write_table(_read("oneroster", name), written.roster / name, days)
    write_table(_read("relationships.csv"), written.relationships, days)
    midnight = dt.datetime.combine(local, dt.time(), local.tzinfo).astimezone(dt.UTC)
    clock = DayClock(start=midnight, end=max(midnight, now.astimezone(dt.UTC) - _BEFORE_NOW))
    write_day(_read("day.jsonl"), written.changes, days, clock, written.school_year)
    return written


def _read(*path: str) -> str:
    return _DATA.joinpath(*path).read_text(encoding="utf-8")
