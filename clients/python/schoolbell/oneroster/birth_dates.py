"""The birth dates of an extract: what is not there, or cannot be read, is not provided."""

from __future__ import annotations

import datetime as dt

from schoolbell.oneroster.columns import date_column, id_column
from schoolbell.oneroster.extract import Extract
from schoolbell.oneroster.problems import ProblemLog


class BirthDates:
    """What demographics.csv says of each person; the file is optional."""

    def __init__(self, extract: Extract, problems: ProblemLog) -> None:
        """Read the file, if the extract has it."""
        self._found: dict[str, dt.date | None] = {}
        if not extract.has("demographics"):
            return
        ids, dates = id_column(problems, "sourcedId"), date_column(problems, "birthDate")
        lacks_column = False
        for row in extract.rows("demographics", ()):
            user_id, (birth_date, is_known) = ids.read(row), dates.given(row)
            lacks_column |= not row.has(dates.name)
            if user_id is not None and is_known:
                self._found[user_id] = birth_date or self._found.get(user_id)
        if lacks_column:
            text = "missing in the header; birth dates stay as they are stored"
            problems.add("demographics.csv", 1, dates.name, text, is_bad=False)
        ids.check()

    def of(self, user_id: str) -> tuple[dt.date | None, bool]:
        """Return a person's birth date, and whether the extract provides it."""
        return self._found.get(user_id), user_id in self._found
