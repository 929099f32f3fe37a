"""An extract: a bulk export of a district's files, with the deltas that came after it.

The manifest says of each file whether it is bulk, delta or absent. A delta's rows replace
those of the same `sourcedId`, so that the result is always a whole roster.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from schoolbell.oneroster.columns import is_nothing
from schoolbell.oneroster.problems import ProblemLog, unusable
from schoolbell.oneroster.table import Row, rows

MANIFEST = "manifest.csv"
REQUIRED = ("orgs", "academicSessions", "classes", "users", "enrollments")
OPTIONAL = ("demographics", "roles")
LENIENT = "demographics"
"""The file that may be missing whatever the manifest says: birth dates then stay as stored."""
_STATES = frozenset({"bulk", "delta", "absent"})
_GONE = frozenset({"tobedeleted", "inactive"})
_HERE = frozenset({"", "active"})


class Extract:
    """The folders of an extract and what their manifests say."""

    def __init__(self, directory: Path, deltas: Sequence[Path], problems: ProblemLog) -> None:
        """Read the manifests; `directory` must hold every required file as bulk."""
        self._problems = problems
        self._folders = [(directory, _states(directory, problems))]
        self._require_bulk(directory, self._folders[0][1])
        self._folders += [(delta, _states(delta, problems)) for delta in deltas]

    def has(self, name: str) -> bool:
        """Return whether any folder holds the file."""
        return any(states[name] != "absent" for _, states in self._folders)

    def rows(self, name: str, required: Sequence[str]) -> Iterator[Row]:
        """Yield the rows of a file that stand after all deltas."""
        parts = self._parts(name)
        if len(parts) == 1:
            return (row for row in self._read(parts[0], required) if self._stands(row))
        merged: dict[str, list[Row]] = {}
        for part in parts:
            found: dict[str, list[Row]] = defaultdict(list)  # a person has a row for each role
            for row in self._read(part, required):
                found[row["sourcedId"]].append(row)
            merged.update(found)
        return (row for found in merged.values() for row in found if self._stands(row))

    def _parts(self, name: str) -> list[Path]:
        parts: list[Path] = []
        for folder, states in self._folders:
            if states[name] == "bulk":
                parts.clear()
            if states[name] != "absent":
                parts.append(folder / f"{name}.csv")
        return parts

    def _read(self, path: Path, required: Sequence[str]) -> Iterator[Row]:
        return rows(path, ("sourcedId", *required), self._problems)

    def _stands(self, row: Row) -> bool:
        status = "" if is_nothing(row["status"]) else row["status"].lower()
        if status not in _HERE and status not in _GONE:
            text = f"{status!r} is no status that OneRoster knows; the row is left out"
            self._problems.add(row.file, row.line, "status", text)
        if status in _GONE:
            self._problems.note_deleted(row.file, row["sourcedId"])
        return status in _HERE

    @staticmethod
    def _require_bulk(directory: Path, states: dict[str, str]) -> None:
        for name in REQUIRED:
            if states[name] == "delta":
                text = f"{name} is a delta; give the bulk extract that it changes as well"
                raise unusable(MANIFEST, None, f"file.{name}", text)
            if states[name] == "absent":
                text = f"is missing in {directory.name}"
                if _present(directory, name) != "absent":
                    text += f", says {MANIFEST}, though the file is there"
                raise unusable(f"{name}.csv", None, None, text)


def _states(directory: Path, problems: ProblemLog) -> dict[str, str]:
    names = (*REQUIRED, *OPTIONAL)
    if not directory.is_dir():
        raise unusable(directory.name, None, None, "is not a folder; unpack an archive first")
    if not (directory / MANIFEST).exists():
        problems.add(MANIFEST, None, None, "is missing; every file is read as bulk")
        return {name: _present(directory, name) for name in names}
    states = dict.fromkeys(names, "absent")
    for row in rows(directory / MANIFEST, ("propertyName", "value"), problems):
        name, value = row["propertyName"].removeprefix("file."), row["value"].lower()
        if name in states:
            if value not in _STATES:
                raise unusable(MANIFEST, row.line, "value", f"{value!r} for {name} is unknown")
            states[name] = value
    if states[LENIENT] != "absent" and _present(directory, LENIENT) == "absent":
        text = f"is missing, though the manifest says {states[LENIENT]}; read as absent"
        problems.add(f"{LENIENT}.csv", None, None, text)
        states[LENIENT] = "absent"
    return states


def _present(directory: Path, name: str) -> str:
    return "bulk" if (directory / f"{name}.csv").exists() else "absent"
