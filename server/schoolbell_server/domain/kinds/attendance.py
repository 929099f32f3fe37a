"""Attendance: what every section marks, and what the fact is given all of it.

The most serious standing mark counts (absent, tardy, early leave, present); of equal ones the
least excused. Only the section that set a mark can lift it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from schoolbell_server.domain.change import Change, Payload
from schoolbell_server.domain.condition import Condition
from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.fact import (
    FactKey,
    FactUpdate,
    Folded,
    Mark,
    States,
    Value,
    is_lifted,
)
from schoolbell_server.domain.fact_keys import make_key
from schoolbell_server.domain.fold import older, previous_of, restate, setter_of
from schoolbell_server.domain.kinds import (
    PROMPT_STATUSES,
    AttendanceExcuse,
    AttendanceStatus,
    Gate,
    Kind,
    RefusalReason,
)
from schoolbell_server.domain.lanes import Lane
from schoolbell_server.domain.wording import Variables, joined, slug

_STATUS_ORDER = (
    AttendanceStatus.ABSENT,
    AttendanceStatus.TARDY,
    AttendanceStatus.EARLY_LEAVE,
    AttendanceStatus.PRESENT,
)
_EXCUSE_ORDER = (
    AttendanceExcuse.UNEXCUSED,
    AttendanceExcuse.UNDECIDED,
    AttendanceExcuse.EXCUSED,
    AttendanceExcuse.EXEMPT,
)


@dataclass(frozen=True, slots=True)
class AttendanceValue(Value):
    """The most serious standing mark; no status is no mark."""

    tag = "attendance"
    status: AttendanceStatus | None = None
    excuse: AttendanceExcuse | None = None

    def text(self) -> str:
        """Return it in a few words."""
        return joined(*(part.name for part in (self.status, self.excuse) if part)) or "no mark"

    @property
    def is_prompt(self) -> bool:
        """Return whether a family is told of the mark without asking for it by name."""
        return self.status in PROMPT_STATUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class AttendanceCondition(Condition):
    """Which marks are wanted; empty statuses are all prompt ones, empty excuses are all."""

    arm = "attendance"
    choices: ClassVar = {"statuses": AttendanceStatus, "excuses": AttendanceExcuse}
    statuses: frozenset[AttendanceStatus] = frozenset()
    excuses: frozenset[AttendanceExcuse] = frozenset()


_EVERY = AttendanceCondition()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttendanceChange(Payload):
    """A section marked a student for a period of a day; period '' is the whole day."""

    kind = Kind.ATTENDANCE
    word = "attendance"
    lane = Lane.ATTENDANCE
    values = (AttendanceValue,)
    condition = AttendanceCondition
    of_one_day = True
    time_sensitive = True
    opens = ("section_id", "period", "date")

    date: dt.date
    status: AttendanceStatus
    excuse: AttendanceExcuse
    period: str = ""
    section_id: str = ""
    course_name: str = ""
    comment: str = ""

    @classmethod
    def probe(cls, today: dt.date) -> Self:
        """Return what could happen today."""
        undecided = AttendanceExcuse.UNDECIDED
        return cls(date=today, status=AttendanceStatus.ABSENT, excuse=undecided)

    @property
    def day(self) -> dt.date:
        """Return the day that it is about."""
        return self.date

    def fact_key(self, change: Change) -> FactKey:
        """Return the fact of a period, whichever section marks it."""
        day = self.date.isoformat()
        return make_key(self.word, change.student_id, change.calendar_id, day, self.period)

    def fold(self, change: Change, receive_time: dt.datetime, states: States) -> Folded:
        """Fold a mark into those of the other sections."""
        key, setter = self.fact_key(change), setter_of(change)
        state = states.get(key)
        marks = {} if state is None else {mark.setter: mark for mark in state.marks}
        own = marks.get(setter)
        if state is not None and own is not None and change.occur_time < own.occur_time:
            return Folded(update=older(key, state, own.occur_time))
        marks[setter] = Mark(
            setter=setter, status=self.status, excuse=self.excuse, occur_time=change.occur_time
        )
        before, after = (
            None if state is None else state.value,
            value_of(standing_mark(marks.values())),
        )
        changed = before != after
        update = FactUpdate(
            key=key,
            previous=previous_of(state, None),
            current=after,
            known_time=None if own is None else own.occur_time,
            changed=changed,
            same_setter=own is not None and (own.status, own.excuse) == (self.status, self.excuse),
            lifted=is_lifted(before, after),
        )
        restated = replace(
            restate(change, receive_time, state, after, setter),
            occur_time=max(mark.occur_time for mark in marks.values()),
            marks=tuple(marks.values()),
        )
        return Folded(update=update, states={key: restated}, changed_keys=(key,) if changed else ())

    def refuse(self, condition: Condition | None, current: Value | None) -> Refusal | None:
        """Refuse by the fact's value: of a doubly marked period the most serious mark is told."""
        chosen = condition if isinstance(condition, AttendanceCondition) else _EVERY
        status, excuse = _mark(current)
        if status not in (chosen.statuses or PROMPT_STATUSES):
            return Refusal(Gate.CONDITION, RefusalReason.STATUS_NOT_CHOSEN, status.name)
        if status not in PROMPT_STATUSES or not chosen.excuses or excuse in chosen.excuses:
            return None
        return Refusal(Gate.CONDITION, RefusalReason.EXCUSE_NOT_CHOSEN, excuse.name)

    def as_told(self, current: Value | None) -> Payload:
        """Return the mark that stands."""
        if not isinstance(current, AttendanceValue):
            return self
        status = current.status or AttendanceStatus.CLEARED
        return replace(self, status=status, excuse=current.excuse or self.excuse)

    def message(self, *, correction: bool) -> str:
        """Return the id of the message that tells the change."""
        return "attendance-corrected" if correction else f"attendance-{slug(self.status.name)}"

    def variables(self, clean: Callable[[str], str]) -> Variables:
        """Return what a detailed text may name."""
        course, period = clean(self.course_name), clean(self.period)
        parts = [name for name, part in (("course", course), ("period", period)) if part]
        return {
            "course": course,
            "period": period,
            "date": self.date,
            "span": "-".join(parts) or "day",
        }


def standing_mark(marks: Iterable[Mark]) -> Mark | None:
    """Return the most serious mark that stands."""
    standing = (mark for mark in marks if mark.status is not AttendanceStatus.CLEARED)
    return min(standing, key=_seriousness, default=None)


def value_of(mark: Mark | None) -> AttendanceValue:
    """Return the fact's value where this mark stands; no mark has no status."""
    return AttendanceValue() if mark is None else AttendanceValue(mark.status, mark.excuse)


def _seriousness(mark: Mark) -> tuple[int, int]:
    return _STATUS_ORDER.index(mark.status), _EXCUSE_ORDER.index(mark.excuse)


def _mark(value: Value | None) -> tuple[AttendanceStatus, AttendanceExcuse]:
    """Return the mark that stands; none is a cleared one."""
    if not isinstance(value, AttendanceValue) or value.status is None:
        return AttendanceStatus.CLEARED, AttendanceExcuse.UNDECIDED
    return value.status, value.excuse or AttendanceExcuse.UNDECIDED
