"""Facts: what changes speak of, and what is known of each.

Two changes speak of the same fact when their fact keys are equal. The *value* of a fact is
what a family would see change; names, titles and comments are not part of it.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar

from schoolbell_server.domain.kinds import AttendanceExcuse, AttendanceStatus

FactKey = str
"""A canonical text that names a fact within its district; opaque outside this package."""


@dataclass(frozen=True, slots=True)
class Value(ABC):
    """What a fact is; the values of each kind stand in its module."""

    tag: ClassVar[str]
    """The first item of its document, which its fields follow. Documents are stored: a tag never
    changes, and a field is only ever added behind the others."""

    @abstractmethod
    def text(self) -> str:
        """Return it in a few words, for whoever reads an explanation."""

    @property
    def number(self) -> Decimal | None:
        """Return the number that limits look at, if it has one."""
        return None

    @property
    def is_prompt(self) -> bool:
        """Return whether it is a mark that a family is told of without asking for it by name."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Previous:
    """What a fact was before a change, and how that is known."""

    value: Value | None = None
    """None where the previous value is unknown."""
    from_publisher: bool = False
    """The change itself said so; Schoolbell had stored nothing."""
    set_time: dt.datetime | None = None
    """The receive time of the change that set it; None for the publisher's and the unknown."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a delivery tells: the fact's value then, and the baseline it was judged against."""

    previous: Previous
    current: Value | None
    shared_student_ids: tuple[str, ...] = ()
    """Of a lunch account: the students whom it names beside the delivery's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactUpdate:
    """What one change does to the fact (for a move: to both facts) that it speaks of."""

    key: FactKey
    """The fact that is told; a move's is that of its new place."""
    other_key: FactKey | None = None
    """The second fact that a move touches: that of its old place."""
    previous: Previous = Previous()
    current: Value | None = None
    """The fact's value after the change (of an older change: the value that stands)."""
    older: bool = False
    """Older than what is known: it changes nothing that is told (gate 16)."""
    known_time: dt.datetime | None = None
    """When what was known occurred (of a mark: the same section's last one)."""
    changed: bool = True
    """False where the fact's known value stays as it was."""
    same_setter: bool = False
    """The known value was last set by this change's own source and section."""
    lifted: bool = False
    """An attendance mark is lifted: from absent, tardy or early leave to present or no mark."""
    value_time: dt.datetime | None = None
    """Of a lunch account whose balance stays as it was: since when it is known."""
    by_student: Mapping[str, FactUpdate] = field(default_factory=dict)
    """Of a lunch account: what the change does to what was said of each student's account."""

    def of(self, student_id: str) -> FactUpdate:
        """Return the update by which a student's side of the change is judged."""
        return self.by_student.get(student_id, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What one device was last going to be told of a fact, or was told."""

    previous: Previous
    """Of the oldest delivery with no attempt yet, else the fact's previous."""
    attempted: bool = False
    """A delivery of the fact to this device has an attempt that was not rejected."""


@dataclass(frozen=True, slots=True)
class Setter:
    """Who says something: a source, and the section within it."""

    source: str
    section_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What one section says of a student's attendance."""

    setter: Setter
    status: AttendanceStatus
    excuse: AttendanceExcuse
    occur_time: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FactState:
    """A fact as it stands."""

    value: Value | None
    """None where it is unknown, as after a withdrawal."""
    occur_time: dt.datetime
    """Of the newest change that spoke of it: an older one changes nothing."""
    set_time: dt.datetime
    """The receive time of the change that gave it this value."""
    setter: Setter
    """Who gave it this value."""
    marks: tuple[Mark, ...] = ()
    """Of attendance: the last word of every section."""
    students: tuple[str, ...] = ()
    """Of a lunch account: who shares it, as far as changes said, last named last."""


States = Mapping[FactKey, FactState]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A change's effect: how it is to be judged, and what is to be stored."""

    update: FactUpdate
    states: States = field(default_factory=dict)
    """The new states of the facts that it speaks of."""
    changed_keys: tuple[FactKey, ...] = ()
    """The facts whose value is another now: what is not sent yet of them is superseded."""


def is_lifted(before: Value | None, after: Value | None) -> bool:
    """Return whether a mark that a family worries about is gone."""
    return before is not None and before.is_prompt and not (after is not None and after.is_prompt)


def lifts(update: FactUpdate, baselines: Mapping[str, Baseline]) -> bool:
    """Return whether a change lifts a mark: the fact's, or that of a lifting that it replaces.

    What has not left is superseded by the next change, which then has to do its work: where a
    present mark is cleared before the family was told of it, the absence is still to be lifted.
    """
    return update.lifted or any(
        is_lifted(baseline.previous.value, update.current) for baseline in baselines.values()
    )


def value_text(value: Value | None) -> str:
    """Return a value in a few words; unknown is ''."""
    return "" if value is None else value.text()
