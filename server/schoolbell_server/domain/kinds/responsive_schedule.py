"""Responsive scheduling: offerings of a flexible period, added, moved or removed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from schoolbell_server.domain.change import Change
from schoolbell_server.domain.fact import FactKey, Value
from schoolbell_server.domain.fact_keys import make_key
from schoolbell_server.domain.fold import ReplacingPayload
from schoolbell_server.domain.kinds import Kind, ResponsiveScheduleAction
from schoolbell_server.domain.lanes import Lane
from schoolbell_server.domain.wording import Variables, joined, slug


@dataclass(frozen=True, slots=True)
class ScheduleValue(Value):
    """What is scheduled in a flexible period, or that nothing is."""

    tag = "schedule"
    offering_name: str = ""
    location: str = ""
    removed: bool = False

    def text(self) -> str:
        """Return it in a few words."""
        return (
            "removed" if self.removed else joined(self.offering_name, self.location) or "scheduled"
        )


_REMOVED = ScheduleValue(removed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsiveScheduleChange(ReplacingPayload):
    """The offering of a flexible period was added, moved or removed."""

    kind = Kind.RESPONSIVE_SCHEDULE
    word = "responsive"
    lane = Lane.RESPONSIVE
    values = (ScheduleValue,)
    of_one_day = True
    opens = ("period", "date")
    left = _REMOVED

    action: ResponsiveScheduleAction
    date: dt.date
    period: str
    offering_name: str = ""
    location: str = ""
    previous_date: dt.date | None = None
    previous_period: str | None = None
    previous_offering_name: str = ""

    @classmethod
    def probe(cls, today: dt.date) -> Self:
        """Return what could happen today."""
        return cls(action=ResponsiveScheduleAction.ADDED, date=today, period="1")

    @property
    def day(self) -> dt.date:
        """Return the day that it is about."""
        return self.date

    def fact_key(self, change: Change) -> FactKey:
        """Return the fact of a period; a move's is that of its new place."""
        return self._key(change, self.date, self.period)

    def moved_from(self, change: Change) -> FactKey | None:
        """Return the old place of a move, if it is another."""
        if self.action is not ResponsiveScheduleAction.MOVED:
            return None
        period = self.period if self.previous_period is None else self.previous_period
        old = self._key(change, self.previous_date or self.date, period)
        return None if old == self.fact_key(change) else old

    def other_keys(self, change: Change) -> tuple[FactKey, ...]:
        """Return the old place of a move."""
        old = self.moved_from(change)
        return () if old is None else (old,)

    def _key(self, change: Change, day: dt.date, period: str) -> FactKey:
        place = change.calendar_id, day.isoformat(), period
        return make_key(self.word, change.student_id, *place)

    def value(self) -> Value | None:
        """Return what it says."""
        if self.action is ResponsiveScheduleAction.REMOVED:
            return _REMOVED
        return ScheduleValue(self.offering_name, self.location)

    def message(self, *, correction: bool) -> str:
        """Return the id of the message that tells the change."""
        return f"schedule-{slug(self.action.name)}"

    def variables(self, clean: Callable[[str], str]) -> Variables:
        """Return what a detailed text may name."""
        offering = clean(self.offering_name) or clean(self.previous_offering_name)
        place = clean(self.location)
        return {
            "offering": offering,
            "place": place,
            "naming": "unnamed" if not offering else "place" if place else "offering",
            "period": clean(self.period) or None,
            "date": self.date,
        }
