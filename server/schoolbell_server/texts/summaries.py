"""Sum up an explanation in a few sentences that a clerk can read aloud.

What was recorded *then* and what holds *now* each carry their name; neither is passed off as
the other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fluent.runtime.types import fluent_date, fluent_number

from schoolbell_server.domain.kinds import CancelCause, DeliveryState, Gate, RefusalReason
from schoolbell_server.texts.explanations import Explanations
from schoolbell_server.texts.words import Values, clean

_NOT_TOLD = ("summary-refused", "summary-refused-there")
_WOULD_NOT = ("would-be-refused", "would-be-refused-there")


@dataclass(frozen=True, slots=True)
class Why:
    """A gate that failed."""

    gate: Gate
    reason: RefusalReason | None
    facts: Mapping[str, str] = field(default_factory=dict)
    """What it saw; of what was recorded then, nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """One person's side: on how many devices it is told, and why not on each of the others.

    Whatever stops the whole person is one refusal, and no device is told.
    """

    told: int = 0
    refusals: Sequence[Why] = ()


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one delivery."""

    state: DeliveryState
    cancel_cause: CancelCause | None = None
    why: Why | None = None
    """The gate that stopped it."""


class Summaries:
    """Words an explanation in one language."""

    def __init__(self, explanations: Explanations, locale: str) -> None:
        self._explanations = explanations
        self._locale = locale

    def relation(self, relations: Iterable[str], student_id: str, *, is_student: bool) -> str:
        """Return how a person belongs to the student; '' if not at all."""
        if is_student:
            return self._say("relation-self")
        return ", ".join(self._one_relation(clean(each), student_id) for each in relations)

    def would(self, verdicts: Verdicts) -> str:
        """Return whether a person would be told."""
        return self._verdicts(verdicts, "would-be-told", _WOULD_NOT)

    def then_and_now(self, then: Verdicts | None, fates: Iterable[Fate], today: Verdicts) -> str:
        """Return whether a person was told then, what became of it, and what would stop it now."""
        said = self._say("undecided") if then is None else self._told(then, fates)
        return f"{self._label('then', said)} {self.now(today)}"

    def now(self, today: Verdicts) -> str:
        """Return what today's facts would stop; `told` counts what they let through."""
        said = self._say("still-open") if today.told else ""
        closed = self._refusals(today, _WOULD_NOT) if today.refusals else ""
        return self._label("now", " ".join(filter(None, (said, closed))))

    def whole_then(self, time: dt.datetime, people: int, why: Why | None) -> str:
        """Return whom a change was told to; `time` is local."""
        values: Values = {"time": fluent_date(time, dateStyle="medium", timeStyle="short")}
        return self._whole("whole-told", "whole-refused", people, why, values)

    def whole_would(self, people: int, why: Why | None) -> str:
        """Return whom a change would be told to."""
        return self._whole("whole-would-be-told", "whole-would-be-refused", people, why, {})

    def _whole(self, told: str, refused: str, people: int, why: Why | None, values: Values) -> str:
        if why is None:
            return self._say(told, values | {"people": fluent_number(people)})
        return self._say(refused, values | {"why": self._why(why)})

    def _one_relation(self, relation: str, student_id: str) -> str:
        values: Values = {"relation": relation, "student": clean(student_id)}
        return self._say("relation" if relation else "relation-unnamed", values)

    def _told(self, verdicts: Verdicts, fates: Iterable[Fate]) -> str:
        said = self._verdicts(verdicts, "summary-told", _NOT_TOLD)
        return " ".join(dict.fromkeys([said, *map(self._fate, fates)]))

    def _verdicts(self, verdicts: Verdicts, told: str, refused: tuple[str, str]) -> str:
        sentences = []
        if verdicts.told or not verdicts.refusals:
            sentences.append(self._say(told, {"devices": fluent_number(verdicts.told)}))
        if verdicts.refusals:
            sentences.append(self._refusals(verdicts, refused))
        return " ".join(sentences)

    def _refusals(self, verdicts: Verdicts, messages: tuple[str, str]) -> str:
        """Return every cause once, and on how many devices where they differ."""
        causes: dict[str, int] = {}
        for why in verdicts.refusals:
            said = self._why(why)
            causes[said] = causes.get(said, 0) + 1
        message = messages[0] if len(causes) == 1 and not verdicts.told else messages[1]
        return " ".join(
            self._say(message, {"devices": fluent_number(count), "why": said})
            for said, count in causes.items()
        )

    def _fate(self, fate: Fate) -> str:
        message = f"delivery-{_slug(fate.state.name)}"
        if fate.state is not DeliveryState.CANCELLED or fate.cancel_cause is None:
            return self._say(message)
        if fate.cancel_cause is CancelCause.GATE and fate.why is None:
            return self._say(message)
        values: Values = {} if fate.why is None else {"why": self._why(fate.why)}
        return self._explanations.say(self._locale, message, _slug(fate.cancel_cause.name), values)

    def _why(self, why: Why) -> str:
        return self._explanations.gate(why.gate, False, why.reason, why.facts, self._locale)

    def _label(self, message: str, said: str) -> str:
        return self._say(message, {"said": said})

    def _say(self, message: str, values: Values | None = None) -> str:
        return self._explanations.say(self._locale, message, values=values)


def _slug(name: str) -> str:
    return name.lower().replace("_", "-")
