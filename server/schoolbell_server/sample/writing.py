"""Write the sample district for the day on which it is played."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from schoolbell_server.sample.changes import day
from schoolbell_server.sample.people import people
from schoolbell_server.sample.roster import school_year, write_relationships, write_roster

SOURCE = "sample-sis"
_DAY_LENGTH = dt.timedelta(hours=7)
_MARGIN = dt.timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleDay:
    """Where the sample lies."""

    roster: Path
    """A folder of OneRoster CSV files."""
    relationships: Path
    changes: Path
    """A JSON Lines feed."""
    school_year: int


def write(directory: Path, now: dt.datetime, zone: str) -> SampleDay:
    """Write roster and feed into a directory: a school day that ends just before `now`.

    Everything happens on the local day of `now`; shortly after midnight the day is a short one.
    """
    local = now.astimezone(ZoneInfo(zone))
    today, everybody = local.date(), people()
    roster, relationships = directory / "oneroster", directory / "relationships.csv"
    write_roster(roster, everybody, today)
    write_relationships(relationships, everybody)
    end = now - _MARGIN
    midnight = dt.datetime.combine(today, dt.time(), tzinfo=ZoneInfo(zone))
    start = min(end, max(midnight, end - _DAY_LENGTH))
    year = school_year(today)
    changes = directory / "day.jsonl"
    with changes.open("w", encoding="utf-8") as file:
        for number, moment in enumerate(day(everybody, today), start=1):
            document = dict(moment.document)
            calendar_id = f"{document.pop('school')}:{year}"
            occur_time = (start + (end - start) * moment.part).astimezone(dt.UTC)
            line = {
                "key": {"source": SOURCE, "changeId": f"{today.isoformat()}-{number}"},
                "calendarId": calendar_id,
                "occurTime": occur_time.isoformat().replace("+00:00", "Z"),
                **document,
            }
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return SampleDay(roster=roster, relationships=relationships, changes=changes, school_year=year)
