"""Sum up an explanation in a few sentences that a clerk can read aloud.

What was recorded *then* and what holds *now* each carry their name; neither is passed off as
the other.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fluent.runtime.types import fluent_date, fluent_number

from schoolbell_server.domain.kinds import CancelCause, DeliveryState, Gate, RefusalReason
from schoolbell_server.texts.explanations import Explanations
from schoolbell_server.texts.words import Values

_TOLD = frozenset({DeliveryState.ACCEPTED, DeliveryState.DISPLAYED, DeliveryState.OPENED})
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

    @property
    def is_told(self) -> bool:
        """Return whether a provider is known to have accepted it."""
        return self.state in _TOLD


class Summaries:
    """Words an explanation in one language."""

    def __init__(self, explanations: Explanations, locale: str) -> None:
        self._explanations = explanations
        self._locale = locale

    def would(self, verdicts: Verdicts) -> str:
        """Return whether a person would be told."""
        sentences = []
        if verdicts.told or not verdicts.refusals:
            sentences.append(self._on("would-be-told", verdicts.told))
        if verdicts.refusals:
            sentences.append(self._refusals(verdicts, _WOULD_NOT))
        return " ".join(sentences)

    def then_and_now(self, then: Verdicts | None, fates: Sequence[Fate], today: Verdicts) -> str:
        """Return whether a person was told then, what became of it, and what would stop it now."""
        said = self._say("undecided") if then is None else self._told(then, fates)
        return f"{self._label('then', said)} {self.now(today)}"

    def now(self, today: Verdicts) -> str:
        """Return what today's facts would stop; `told` counts what they let through."""
        if not today.refusals:
            return self._label("now", self._say("still-open"))
        said = [self._refusals(today, _WOULD_NOT)]
        if today.told:
            said.insert(0, self._on("still-open-there", today.told))
        return self._label("now", " ".join(said))

    def whole_then(self, time: dt.datetime, told: int, meant: int, why: Why | None) -> str:
        """Return how many people were told, of those who were to be; `time` is local."""
        values: Values = {"time": fluent_date(time, dateStyle="medium", timeStyle="short")}
        if why is not None:
            return self._say("whole-refused", values | {"why": self._why(why)})
        said = self._say("whole-told", values | {"people": fluent_number(told)})
        if meant == told:
            return said
        left = self._say("whole-unreached", {"people": fluent_number(meant - told)})
        return f"{said} {left}"

    def whole_would(self, people: int, why: Why | None) -> str:
        """Return how many people would be told."""
        if why is not None:
            return self._say("whole-would-be-refused", {"why": self._why(why)})
        return self._say("whole-would-be-told", {"people": fluent_number(people)})

    def _told(self, verdicts: Verdicts, fates: Sequence[Fate]) -> str:
        """Return on how many devices each fate came about; told is only what was accepted."""
        told = Counter((fate.is_told, self._fate(fate)) for fate in fates)
        told[False, self._say("delivery-gone")] += verdicts.told - len(fates)
        sentences = [
            f"{self._on('summary-told' if is_told else 'summary-meant', count)} {fate}"
            for (is_told, fate), count in told.items()
            if count
        ]
        if verdicts.refusals:
            sentences.append(self._refusals(verdicts, _NOT_TOLD))
        return " ".join(sentences) or self._on("summary-told", 0)

    def _on(self, message: str, devices: int) -> str:
        return self._say(message, {"devices": fluent_number(devices)})

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
