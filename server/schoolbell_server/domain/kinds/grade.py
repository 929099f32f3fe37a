"""Grades: posted, changed, removed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from schoolbell_server.domain.change import Change
from schoolbell_server.domain.condition import LimitCondition
from schoolbell_server.domain.fact import FactKey, Value
from schoolbell_server.domain.fact_keys import make_key
from schoolbell_server.domain.fold import ReplacingPayload
from schoolbell_server.domain.kinds import Kind
from schoolbell_server.domain.lanes import Lane
from schoolbell_server.domain.wording import Variables, course, joined, number_words, percent


@dataclass(frozen=True, slots=True)
class GradeValue(Value):
    """A posted grade; neither percent nor mark is a removed one."""

    tag = "grade"
    percent: Decimal | None = None
    mark: str = ""

    def text(self) -> str:
        """Return it in a few words."""
        return joined(number_words(self.percent, "%"), self.mark) or "removed"

    @property
    def number(self) -> Decimal | None:
        """Return the percentage."""
        return self.percent


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeCondition(LimitCondition):
    """Which grade changes are wanted."""

    arm = "grade"
    limit_field = "below_percent"
    below_percent: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeChange(ReplacingPayload):
    """A grade was posted, changed, or (neither percent nor mark) removed."""

    kind = Kind.GRADE
    word = "grade"
    lane = Lane.GRADE
    values = (GradeValue,)
    condition = GradeCondition
    life = dt.timedelta(hours=72)
    posted_late = True
    opens = ("section_id", "grading_task", "grading_period")

    section_id: str
    grading_task: str
    grading_period: str
    course_name: str = ""
    term_id: str | None = None
    percent: Decimal | None = None
    previous_percent: Decimal | None = None
    mark: str = ""

    @classmethod
    def probe(cls, today: dt.date) -> Self:
        """Return what could happen today."""
        return cls(section_id="offer", grading_task="offer", grading_period="offer")

    def fact_key(self, change: Change) -> FactKey:
        """Return the fact of a task in a grading period."""
        identity = self.section_id, self.grading_task, self.grading_period
        return make_key(self.word, change.student_id, *identity)

    def value(self) -> Value | None:
        """Return what it says."""
        return GradeValue(self.percent, self.mark)

    def said_before(self) -> Value | None:
        """Return the grade before."""
        percent = self.previous_percent
        if percent is None:
            return None
        return GradeValue(percent, self.mark if percent == self.percent else "")

    def message(self, *, correction: bool) -> str:
        """Return the id of the message that tells the change."""
        if self.percent is not None:
            return "grade-posted"
        return "grade-posted-mark" if self.mark else "grade-removed"

    def variables(self, clean: Callable[[str], str]) -> Variables:
        """Return what a detailed text may name."""
        return {
            **course(clean(self.course_name)),
            "grading_task": clean(self.grading_task) or None,
            "percent": percent(self.percent),
            "mark": clean(self.mark) or None,
        }
