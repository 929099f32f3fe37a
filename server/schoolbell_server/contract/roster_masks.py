"""Which fields of a roster record its source provides, by the record's update mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from schoolbell.v1 import roster_pb2
from schoolbell_server.contract.fields import ReportViolation
from schoolbell_server.rpc import field_reasons as reasons

_LONGEST_SHOWN = 128  # characters of a path that a complaint repeats
_MOST_CACHED = 2048  # characters of all paths of a mask

_NAMES = ("given_name", "family_name", "preferred_name")
_COLUMNS: dict[str, dict[str, tuple[str, ...]]] = {
    "school": {"display_name": ("display_name",), "time_zone": ("time_zone",)},
    "calendar": {
        "school_id": ("school_id",),
        "school_year": ("school_year",),
        "start_date": ("start_date",),
        "end_date": ("end_date",),
        "terms": ("terms",),
        "display_name": ("display_name",),
    },
    "user": {
        "enabled": ("enabled",),
        "birth_date": ("birth_date",),
        "names": _NAMES,
        **{f"names.{name}": (name,) for name in _NAMES},
    },
    "relationship": {
        "relation": ("relation",),
        "portal_enabled": ("portal_enabled",),
        "barred": ("barred",),
        "adult_consent": ("adult_consent",),
        "start_date": ("start_date",),
        "end_date": ("end_date",),
    },
    "enrollment": {
        "student_id": ("student_id",),
        "calendar_id": ("calendar_id",),
        "start_date": ("start_date",),
        "end_date": ("end_date",),
        "portal_visible": ("portal_visible",),
    },
}
"""The columns that each path of a mask means, by the type of record."""
_IGNORED = {
    "school": {"school_id", "origin"},
    "calendar": {"calendar_id", "origin"},
    "user": {"user_id", "origin"},
    "relationship": {"student_id", "guardian_id", "origin", "bars"},
    "enrollment": {"enrollment_id", "origin"},
}
"""Paths that change nothing: ids always count, and the rest only the service sets."""
_KEEPS_UNSET = ("portal_enabled", "adult_consent", "barred")
"""Flags of a relationship that keep what is stored where they are not set."""


@dataclass(frozen=True, slots=True)
class Provided:
    """What a record provides."""

    columns: frozenset[str]
    """The columns that it is to write."""
    foreign: tuple[int, str] | None = None
    """The first path of the mask that names no field, and its place in the mask."""


def read_provided(
    message: roster_pb2.RosterRecord, kind: str, path: str, report: ReportViolation
) -> frozenset[str]:
    """Return the columns that a record of a kind (the field of the oneof) provides.

    Reports the first path that names no field.
    """
    paths = message.update_mask.paths
    provided = _of_mask(kind, paths) if paths else _all(kind)
    if provided.foreign is not None:
        index, foreign = provided.foreign
        report(
            f"{path}update_mask.paths[{index}]",
            f"names no field of the {kind}: {foreign}",
            reasons.INCONSISTENT,
        )
    if kind != "relationship":
        return provided.columns
    return _set_flags(message.relationship, provided.columns)


def _set_flags(message: roster_pb2.Relationship, columns: frozenset[str]) -> frozenset[str]:
    unset = [name for name in _KEEPS_UNSET if not message.HasField(name)]  # type: ignore[arg-type]
    return columns.difference(unset) if unset else columns


def _of_mask(kind: str, paths: Any) -> Provided:
    """Return what a mask means; the masks of a source are few, so they are read once."""
    whole = tuple(paths)
    small = sum(map(len, whole)) <= _MOST_CACHED and len(whole) <= _MOST_CACHED
    return _read(kind, whole) if small else _read.__wrapped__(kind, whole)


@lru_cache(maxsize=1_000)
def _read(kind: str, paths: Sequence[str]) -> Provided:
    if "*" in paths:
        return _all(kind)
    known, ignored = _COLUMNS[kind], _IGNORED[kind]
    columns: set[str] = set()
    for index, path in enumerate(paths):
        if path in known:
            columns.update(known[path])
        elif path not in ignored:
            return Provided(frozenset(), (index, repr(path[:_LONGEST_SHOWN])))
    return Provided(frozenset(columns))


@lru_cache
def _all(kind: str) -> Provided:
    return Provided(frozenset(name for names in _COLUMNS[kind].values() for name in names))
