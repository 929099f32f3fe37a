"""Assignments: assigned, scored, missing, due on another day, withdrawn."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar, Self

from schoolbell_server.domain.change import Change
from schoolbell_server.domain.condition import Condition, LimitCondition
from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.fact import FactKey, Value
from schoolbell_server.domain.fact_keys import make_key
from schoolbell_server.domain.fold import ReplacingPayload
from schoolbell_server.domain.kinds import AssignmentAction, Gate, Kind, RefusalReason
from schoolbell_server.domain.lanes import Lane
from schoolbell_server.domain.wording import (
    Points,
    Variables,
    course,
    joined,
    number_words,
    percent,
    slug,
    yes,
)

_FOUR_DECIMALS = Decimal("0.0001")


class Aspect(StrEnum):
    """The three things an assignment can be told of."""

    ASSIGNED = "assigned"
    SCORE = "score"
    DUE_DATE = "due"


_ASPECT_OF = {
    AssignmentAction.ASSIGNED: Aspect.ASSIGNED,
    AssignmentAction.WITHDRAWN: Aspect.ASSIGNED,
    AssignmentAction.SCORED: Aspect.SCORE,
    AssignmentAction.MISSING: Aspect.SCORE,
    AssignmentAction.CLEARED: Aspect.SCORE,
    AssignmentAction.DUE_DATE_MOVED: Aspect.DUE_DATE,
}


@dataclass(frozen=True, slots=True)
class ScoreValue(Value):
    """What an assignment was scored, or that it is missing."""

    tag = "score"
    percent: Decimal | None = None
    points: Decimal | None = None
    missing: bool = False
    mark: str = ""

    def text(self) -> str:
        """Return it in a few words."""
        missing = "missing" if self.missing else ""
        percent, points = number_words(self.percent, "%"), number_words(self.points, " points")
        return joined(percent, points, self.mark, missing) or "no score"

    @property
    def number(self) -> Decimal | None:
        """Return the percentage."""
        return self.percent


@dataclass(frozen=True, slots=True)
class AssignedValue(Value):
    """Whether an assignment stands or was withdrawn."""

    tag = "assigned"
    withdrawn: bool = False

    def text(self) -> str:
        """Return it in a few words."""
        return "withdrawn" if self.withdrawn else "assigned"


@dataclass(frozen=True, slots=True)
class DueDateValue(Value):
    """When an assignment is due."""

    tag = "due"
    due_date: dt.date | None = None

    def text(self) -> str:
        """Return it in a few words."""
        return "no due date" if self.due_date is None else self.due_date.isoformat()


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentCondition(LimitCondition):
    """Which assignment changes are wanted; empty actions are all but those told only if named."""

    arm = "assignment"
    choices: ClassVar = {"actions": AssignmentAction}
    limit_field = "below_percent"
    actions: frozenset[AssignmentAction] = frozenset()
    below_percent: Decimal | None = None


_EVERY = AssignmentCondition()
_ONLY_IF_NAMED = frozenset({AssignmentAction.WITHDRAWN, AssignmentAction.CLEARED})
_WITHOUT_SCORE = frozenset({AssignmentAction.ASSIGNED, AssignmentAction.WITHDRAWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentChange(ReplacingPayload):
    """What a teacher did with an assignment."""

    kind = Kind.ASSIGNMENT
    word = "assignment"
    lane = Lane.ASSIGNMENT
    values = (ScoreValue, AssignedValue, DueDateValue)
    condition = AssignmentCondition
    posted_late = True
    opens = ("section_id", "assignment_id")

    action: AssignmentAction
    assignment_id: str
    section_id: str
    title: str = ""
    course_name: str = ""
    term_id: str | None = None
    due_date: dt.date | None = None
    score_percent: Decimal | None = None
    previous_score_percent: Decimal | None = None
    points: Decimal | None = None
    points_possible: Decimal | None = None
    mark: str = ""
    previous_due_date: dt.date | None = None

    @classmethod
    def probe(cls, today: dt.date) -> Self:
        """Return what could happen today."""
        return cls(action=AssignmentAction.ASSIGNED, assignment_id="offer", section_id="offer")

    @property
    def percent(self) -> Decimal | None:
        """Return the score in percent: as published, else `points / points_possible`.

        None where neither is known. It is rounded to 4 decimals.
        """
        if self.score_percent is not None or self.points is None or not self.points_possible:
            return self.score_percent
        return (100 * self.points / self.points_possible).quantize(_FOUR_DECIMALS).normalize()

    def fact_key(self, change: Change) -> FactKey:
        """Return the fact of the aspect that the action is about."""
        return self._key(change, _ASPECT_OF[self.action])

    def other_keys(self, change: Change) -> tuple[FactKey, ...]:
        """Return the other aspects of what is withdrawn."""
        if self.action is not AssignmentAction.WITHDRAWN:
            return ()
        return self._key(change, Aspect.SCORE), self._key(change, Aspect.DUE_DATE)

    def _key(self, change: Change, aspect: Aspect) -> FactKey:
        return make_key(self.word, change.student_id, self.section_id, self.assignment_id, aspect)

    def value(self) -> Value | None:
        """Return what it says; a cleared score is none."""
        match self.action:
            case AssignmentAction.ASSIGNED | AssignmentAction.WITHDRAWN:
                return AssignedValue(self.action is AssignmentAction.WITHDRAWN)
            case AssignmentAction.DUE_DATE_MOVED:
                return DueDateValue(self.due_date)
            case AssignmentAction.CLEARED:
                return None
        missing = self.action is AssignmentAction.MISSING
        return ScoreValue(self.percent, self.points, missing, self.mark)

    def said_before(self) -> Value | None:
        """Return the due date or the score before."""
        if self.action is AssignmentAction.DUE_DATE_MOVED:
            return None if self.previous_due_date is None else DueDateValue(self.previous_due_date)
        percent = self.previous_score_percent
        if percent is None or self.action in _WITHOUT_SCORE:
            return None
        current = self.value()
        same = isinstance(current, ScoreValue) and not current.missing
        return current if same and self.percent == percent else ScoreValue(percent)

    def completed(self, known: Value, current: Value | None) -> Value:
        """Return a known score with the percentage that this change derives of its points.

        Without it, a score in points that was stored when `points_possible` was not published, or
        not looked at, would be news when it is published again as it was.
        """
        if not isinstance(known, ScoreValue) or not isinstance(current, ScoreValue):
            return known
        derived = self.score_percent is None and known.percent is None
        if not derived or known.points != current.points:
            return known
        return ScoreValue(current.percent, known.points, known.missing, known.mark)

    def refuse(self, condition: Condition | None, current: Value | None) -> Refusal | None:
        """Refuse an action that is not chosen."""
        chosen = condition if isinstance(condition, AssignmentCondition) else _EVERY
        named = self.action in chosen.actions
        if named or (not chosen.actions and self.action not in _ONLY_IF_NAMED):
            return None
        return Refusal(Gate.CONDITION, RefusalReason.ACTION_NOT_CHOSEN, self.action.name)

    def limit_ignored(self, current: Value | None) -> bool:
        """Return whether the assignment is missing: that has no number to look at."""
        numberless = current is None or current.number is None
        return numberless and self.action is AssignmentAction.MISSING

    def message(self, *, correction: bool) -> str:
        """Return the id of the message that tells the change."""
        message = f"assignment-{slug(self.action.name)}"
        if self.action is not AssignmentAction.SCORED or self.score_percent is not None:
            return message
        return f"{message}-mark" if self.mark else f"{message}-points"

    def variables(self, clean: Callable[[str], str]) -> Variables:
        """Return what a detailed text may name."""
        title = clean(self.title)
        return {
            **course(clean(self.course_name)),
            "title": title,
            "has_title": yes(title),
            "percent": percent(self.score_percent),
            "points": None if self.points is None else Points(self.points),
            "mark": clean(self.mark) or None,
            "date": self.due_date,
        }
