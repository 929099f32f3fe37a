"""Word the gates of an explanation, so that a clerk can read them aloud."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal

from fluent.runtime.types import fluent_date, fluent_number

from schoolbell_server.domain.kinds import Gate, RefusalReason
from schoolbell_server.texts.catalog import Catalog
from schoolbell_server.texts.shaping import clean
from schoolbell_server.texts.words import LONGEST_NAME, Values

_NUMBERS = frozenset({"number", "known_number", "below"})
_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,9})?")
_DATES = frozenset({"judged_date"})
_FAILED = "failed"
_IDLE = "idle"
_DETAILED = "detailed"


class Explanations:
    """Says in a sentence what a gate decided; a language without it falls back to English."""

    def __init__(self) -> None:
        """Know the languages that are there."""
        self._catalog = Catalog("explain_")

    def gate(
        self,
        gate: Gate,
        passed: bool | None,
        reason: RefusalReason | None,
        facts: Mapping[str, str],
        locale: str,
    ) -> str:
        """Return the sentence of a gate; `passed` is None where it had nothing to judge.

        `facts` are the values that the gate saw, by the names that it gives them; those that a
        sentence does not need are ignored, and those that are missing make it a plainer one.
        """
        if passed is None:
            return self.say(locale, f"gate-{_slug(gate)}", _IDLE)
        if passed:
            return self.say(locale, f"gate-{_slug(gate)}")
        return self._why(reason, facts, locale)

    def _why(self, reason: RefusalReason | None, facts: Mapping[str, str], locale: str) -> str:
        if reason is None:
            return self.say(locale, _FAILED)
        message = f"reason-{_slug(reason)}"
        detailed = self._try(locale, message, _DETAILED, _values(facts))
        return self.say(locale, message) if detailed is None else detailed

    def say(
        self, locale: str, message: str, attribute: str = "", values: Values | None = None
    ) -> str:
        """Return a message of the explanations by its name; LookupError where there is none."""
        found = self._try(locale, message, attribute, values or {})
        if found is None:
            raise LookupError(f"no language has {message} {attribute}")
        return found

    def _try(self, locale: str, message: str, attribute: str, values: Values) -> str | None:
        """Return a sentence, or None where there is none, or it needs a value that is missing."""
        for bundle in self._catalog.bundles(locale):
            if not bundle.has_message(message):
                continue
            found = bundle.get_message(message)
            pattern = found.attributes.get(attribute) if attribute else found.value
            if pattern is not None:
                text, errors = bundle.format_pattern(pattern, values)
                return None if errors else clean(str(text))
        return None


def _values(facts: Mapping[str, str]) -> Values:
    """Return the facts that are known, numbers and dates to be written as the locale does."""
    said = ((name, clean(value, LONGEST_NAME)) for name, value in facts.items())
    values: Values = {name: value for name, value in said if value}
    for name in _NUMBERS & values.keys():
        if _PLAIN_NUMBER.fullmatch(facts[name]):  # anything else is told as it stands
            values[name] = fluent_number(Decimal(facts[name]), maximumFractionDigits=9)
    for name in _DATES & values.keys():
        try:
            values[name] = fluent_date(dt.date.fromisoformat(facts[name]), dateStyle="medium")
        except ValueError:  # then it is told as it stands
            continue
    return values


def _slug(member: Gate | RefusalReason) -> str:
    return member.name.lower().replace("_", "-")
