"""What an SIS says happened, as plain values.

Percentages are `Decimal` with at most 4 decimals, money is an exact `Decimal` in the
district's currency, times are aware UTC datetimes, school-local facts are dates.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

from schoolbell_server.domain.condition import Condition
from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.fact import FactKey, Folded, States, Value
from schoolbell_server.domain.kinds import Kind
from schoolbell_server.domain.lanes import Lane
from schoolbell_server.domain.wording import Variables


class Payload(ABC):
    """What a change of one kind says, and everything by which its kind differs from the others.

    Each kind has its own in a module of `domain/kinds`; `domain/kinds/registry.py` lists them.
    """

    __slots__ = ()

    kind: ClassVar[Kind]
    word: ClassVar[str]
    """With which word the keys of its facts begin. Keys are stored: a word never changes."""
    lane: ClassVar[Lane]
    values: ClassVar[tuple[type[Value], ...]]
    """What its facts can be."""
    condition: ClassVar[type[Condition] | None] = None
    """Which of its changes a subscription may choose."""
    life: ClassVar[dt.timedelta] = dt.timedelta(hours=24)
    """How long a change lives from its occur time; one that is of a day lives to the end of it."""
    of_one_day: ClassVar[bool] = False
    """Its facts are about one day; else they are the school year's."""
    posted_late: ClassVar[bool] = False
    """It still counts after a term or an enrollment has ended."""
    in_terms: ClassVar[bool] = True
    """Terms have a say in whether it is told."""
    of_account: ClassVar[bool] = False
    """It is about an account that several students may share."""
    time_sensitive: ClassVar[bool] = False
    """A phone shows it also where it is told to wait."""
    opens: ClassVar[tuple[str, ...]]
    """The fields that an app needs to open the right page: ids and dates, no comment."""

    @classmethod
    @abstractmethod
    def probe(cls, today: dt.date) -> Self:
        """Return what could happen today, for the question whether the kind is offered at all."""

    @abstractmethod
    def fact_key(self, change: Change) -> FactKey:
        """Return the fact that a change tells of."""

    def other_keys(self, change: Change) -> tuple[FactKey, ...]:
        """Return what else a change touches."""
        return ()

    @abstractmethod
    def fold(self, change: Change, receive_time: dt.datetime, states: States) -> Folded:
        """Fold a change into the states that are known; those it lacks are unknown."""

    def refuse(self, condition: Condition | None, current: Value | None) -> Refusal | None:
        """Refuse what a condition does not choose by name; `current` is the fact's value now."""
        return None

    def limit_ignored(self, current: Value | None) -> bool:
        """Return whether a change is told whatever limit its condition has."""
        return False

    @abstractmethod
    def message(self, *, correction: bool) -> str:
        """Return the id of the message that tells the change."""

    @abstractmethod
    def variables(self, clean: Callable[[str], str]) -> Variables:
        """Return what a detailed text may name; `clean` makes a publisher's text fit for it."""

    def as_told(self, current: Value | None) -> Payload:
        """Return the change as a family is told of it where the fact is `current`."""
        return self

    @property
    def day(self) -> dt.date | None:
        """Return the day that it is about; None is that of the occur time."""
        return None

    @property
    def term_id(self) -> str | None:
        """Return the term that it names."""
        return None

    @property
    def shared_student_ids(self) -> tuple[str, ...]:
        """Return the students who share its account beside the change's own."""
        return ()

    def alone(self) -> Payload:
        """Return it as if nobody shared its account."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeKey:
    """The publisher's name of a change: unique within its source."""

    source: str
    change_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that changed at school for one student."""

    key: ChangeKey
    student_id: str
    occur_time: dt.datetime
    payload: Payload
    calendar_id: str | None = None
    historical: bool = False

    @property
    def kind(self) -> Kind:
        """Return the kind that the payload implies."""
        return self.payload.kind

    @property
    def student_ids(self) -> tuple[str, ...]:
        """Return whom it is about: the student, then those who share the lunch account."""
        return (self.student_id, *self.payload.shared_student_ids)
