"""Word a change for one person: in their language, in their app, with as much as it may say."""

from __future__ import annotations

from dataclasses import dataclass

from schoolbell_server.domain.change import Change
from schoolbell_server.domain.kinds import App, DetailLevel
from schoolbell_server.texts.catalog import bundle, chain
from schoolbell_server.texts.words import Values, message_of, values_of

_FORMS = {App.STUDENT: "student", App.PARENT: "parent"}
_GENERIC = "generic"


@dataclass(frozen=True, slots=True)
class Text:
    """What the phone shows."""

    title: str
    body: str


class Texts:
    """Renders notifications; a language that lacks a message falls back to English."""

    def render(
        self,
        change: Change,
        *,
        app: App,
        detail: DetailLevel,
        locale: str,
        student_name: str,
        correction: bool,
        currency_code: str,
    ) -> Text:
        """Return the text of a change: at GENERIC it names nobody and no value."""
        message = message_of(change, correction=correction)
        if detail is DetailLevel.GENERIC:
            return self._text(locale, message, _GENERIC, {})
        values = values_of(change, student_name, currency_code)
        return self._text(locale, message, _FORMS[app], values)

    def test_text(self, locale: str) -> Text:
        """Return the text of a notification that only tries whether it arrives."""
        return self._text(locale, "test", _GENERIC, {})

    def _text(self, locale: str, message: str, form: str, values: Values) -> Text:
        return Text(
            title=_format(locale, message, f"{form}-title", values),
            body=_format(locale, message, f"{form}-body", values),
        )


def _format(locale: str, message: str, attribute: str, values: Values) -> str:
    for language in chain(locale):
        messages = bundle(language, _regional(locale, language))
        if not messages.has_message(message):
            continue
        pattern = messages.get_message(message).attributes.get(attribute)
        if pattern is not None:
            text, _errors = messages.format_pattern(pattern, values)
            return str(text)
    raise LookupError(f"no language has {message}.{attribute}")


def _regional(locale: str, language: str) -> str:
    """Return the locale itself where it is one of the language's, so that numbers follow it."""
    wanted = locale.replace("_", "-")
    return wanted if wanted.split("-")[0].lower() == language else language
