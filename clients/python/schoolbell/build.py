"""Build changes: what they all have once, dates from `datetime`, money from decimal text.

    event = Event(source="sis", change_id="1", student_id="1001", occur_time=now)
change = event.assignment(AssignmentChange(action=…, due_date=date(day)))
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from schoolbell.v1.change_pb2 import (
    AssignmentChange,
    AttendanceChange,
    Change,
    GradeChange,
    LunchBalanceChange,
    ResponsiveScheduleChange,
)
from schoolbell.v1.common_pb2 import ChangeKey

_AMOUNT = re.compile(r"([+-]?)([0-9]{1,18})(?:\.([0-9]{1,9}))?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every change has, whatever its kind."""

    source: str
    """The publishing system."""
    change_id: str
    """Its id of the change: the same key with the same content is a duplicate."""
    student_id: str
    calendar_id: str = ""
    """Only a lunch balance may do without one."""
    occur_time: dt.datetime
    """When it happened, with its time zone."""
    historical: bool = False
    """It updates what is known, and nobody is told."""

    def __post_init__(self) -> None:
        """Raise ValueError for a time without its zone, which could mean several."""
        if not isinstance(self.occur_time, dt.datetime):
            raise TypeError(
                f"occur_time must be a datetime with its zone, not {_said(self.occur_time)}"
            )
        if self.occur_time.utcoffset() is None:
            raise ValueError(f"occur_time has no time zone: {self.occur_time.isoformat()}")

    def assignment(self, payload: AssignmentChange) -> Change:
        """Build a change of the kind assignment."""
        return self._change(Change(assignment=payload))

    def grade(self, payload: GradeChange) -> Change:
        """Build a change of the kind grade."""
        return self._change(Change(grade=payload))

    def attendance(self, payload: AttendanceChange) -> Change:
        """Build a change of the kind attendance."""
        return self._change(Change(attendance=payload))

    def lunch_balance(self, payload: LunchBalanceChange) -> Change:
        """Build a change of the kind lunch balance."""
        return self._change(Change(lunch_balance=payload))

    def responsive_schedule(self, payload: ResponsiveScheduleChange) -> Change:
        """Build a change of the kind responsive schedule."""
        return self._change(Change(responsive_schedule=payload))

    def _change(self, change: Change) -> Change:
        time = Timestamp()
        time.FromDatetime(self.occur_time)
        change.MergeFrom(
            Change(
                key=ChangeKey(source=self.source, change_id=self.change_id),
                student_id=self.student_id,
                calendar_id=self.calendar_id,
                occur_time=time,
                historical=self.historical,
            )
        )
        return change


def date(day: dt.date) -> Date:
    """Return a day; of a `datetime`, the day in its own zone.

    Raises TypeError for what is no day, such as a text.
    """
    if not isinstance(day, dt.date):
        raise TypeError(f"a day must be a datetime.date, not {_said(day)}")
    return Date(year=day.year, month=day.month, day=day.day)


def money(amount: str, currency_code: str = "") -> Money:
    """Return the amount that a decimal text names, such as `-4.35`, exactly.

    An empty currency code is the district's currency. Raises ValueError for what is no amount, and
    TypeError for a float, which is not exact.
    """
    if not isinstance(amount, str):
        raise TypeError(f"an amount must be decimal text, such as '-4.35', not {_said(amount)}")
    found = _AMOUNT.fullmatch(amount)
    if found is None:
        raise ValueError(f"{amount!r} is no amount: write it such as -4.35")
    sign = -1 if found[1] == "-" else 1
    nanos = int((found[3] or "").ljust(9, "0"))
    return Money(currency_code=currency_code, units=sign * int(found[2]), nanos=sign * nanos)


def _said(value: object) -> str:
    return f"the {type(value).__name__} {value!r}"
