"""Move the changes of a school day to another day."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayClock:
    """The time within which a day's changes happen, in UTC."""

    start: dt.datetime
    end: dt.datetime

    def place(self, before_last: dt.timedelta, length: dt.timedelta) -> dt.datetime:
        """Return when a change happens that came so long before the last of a day this long."""
        squeeze = min(1.0, (self.end - self.start) / length) if length else 1.0
        return self.end - before_last * squeeze


def write_day(text: str, path: Path, days: dt.timedelta, clock: DayClock, school_year: int) -> None:
    """Write a feed: dates moved by a number of days, times onto the clock, the order kept.

    The keys name the moment, so that the sample may be played again into the same district.
    """
    documents = [json.loads(line) for line in text.splitlines()]
    times = [dt.datetime.fromisoformat(document["occurTime"]) for document in documents]
    first, last = min(times), max(times)
    moment = clock.end.strftime("%Y%m%dT%H%M%SZ")
    with path.open("w", encoding="utf-8") as file:
        for document, time in zip(documents, times, strict=True):
            moved = _moved(document, days)
            school = document["calendarId"].rpartition(":")[0]
            moved["calendarId"] = f"{school}:{school_year}"
            moved["key"]["changeId"] = f"{moment}-{document['key']['changeId']}"
            moved["occurTime"] = _text(clock.place(last - time, last - first))
            file.write(json.dumps(moved, ensure_ascii=False) + "\n")


def _moved(value: Any, days: dt.timedelta) -> Any:
    """Return a part of a document with every `google.type.Date` moved."""
    if not isinstance(value, dict):
        return value
    if value.keys() == {"year", "month", "day"}:
        date = dt.date(**value) + days
        return {"year": date.year, "month": date.month, "day": date.day}
    return {name: _moved(part, days) for name, part in value.items()}


def _text(time: dt.datetime) -> str:
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")
