"""Word a change for one person: in their language, in their app, with as much as it may say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from babel import Locale
from babel.lists import format_list

from schoolbell_server.domain.change import Change
from schoolbell_server.domain.kinds import AppType, DetailLevel
from schoolbell_server.texts.catalog import Catalog
from schoolbell_server.texts.shaping import clean
from schoolbell_server.texts.words import Values, values_of

_FORMS = {AppType.STUDENT: "student", AppType.PARENT: "parent"}
_GENERIC = "generic"


@dataclass(frozen=True, slots=True)
class Text:
    """What the phone shows."""

    title: str
    body: str


class Texts:
    """Renders notifications; a language that lacks a message falls back to English."""

    def __init__(self) -> None:
        """Know the languages that are there."""
        self._catalog = Catalog()
        self._generic = lru_cache(maxsize=1024)(self._make_generic)

    def render(
        self,
        change: Change,
        *,
        app: AppType,
        detail: DetailLevel,
        locale: str,
        student_name: str,
        sibling_names: Sequence[str] = (),
        correction: bool,
        currency_code: str,
    ) -> Text:
        """Return the text of a change: at GENERIC it names nobody and no value.

        `student_name` is the given name, `sibling_names` are those of the students who share a
        lunch account with the student; only the parents' app shows them.
        """
        message = change.payload.message(correction=correction)
        if detail is not DetailLevel.DETAILED:
            return self._generic(locale, message)
        name = self._joined([student_name, *sibling_names], locale)
        values = values_of(change, name, currency_code)
        return self._text(locale, message, _FORMS[app], values)

    def test_text(self, locale: str) -> Text:
        """Return the text of a notification that only tries whether it arrives."""
        return self._generic(locale, "test")

    def _make_generic(self, locale: str, message: str) -> Text:
        return self._text(locale, message, _GENERIC, {})

    def language(self, locale: str) -> str:
        """Return the BCP 47 tag of the language in which a locale's texts are worded."""
        return str(self._catalog.bundles(locale)[0].locales[0])

    def _joined(self, names: Iterable[str], locale: str) -> str:
        """Return the names that are known as the language lists them."""
        known = [name for name in map(clean, names) if name]
        if len(known) < 2:
            return "".join(known)
        return format_list(known, locale=Locale.parse(self.language(locale), sep="-"))

    def _text(self, locale: str, message: str, form: str, values: Values) -> Text:
        return Text(
            title=self._format(locale, message, f"{form}-title", values),
            body=self._format(locale, message, f"{form}-body", values),
        )

    def _format(self, locale: str, message: str, attribute: str, values: Values) -> str:
        for bundle in self._catalog.bundles(locale):
            if not bundle.has_message(message):
                continue
            pattern = bundle.get_message(message).attributes.get(attribute)
            if pattern is not None:
                text, _errors = bundle.format_pattern(pattern, values)
                return clean(str(text))
        raise LookupError(f"no language has {message}.{attribute}")
