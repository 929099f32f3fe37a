"""The languages that are there: adding one is adding a file to `locales/`."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

from babel import Locale, UnknownLocaleError
from fluent.runtime import FluentBundle, FluentResource
from fluent.syntax.ast import Resource

from schoolbell_server.domain.locales import language_tag

LOCALES = Path(__file__).parent / "locales"
FALLBACK = "en"


class Catalog:
    """The Fluent files of one purpose: `<prefix><language>.ftl`."""

    def __init__(self, prefix: str = "") -> None:
        """Look for the files; they are read when they are first needed."""
        found = (file.stem for file in LOCALES.glob(f"{prefix}*.ftl"))
        names = (stem.removeprefix(prefix) for stem in found)
        self._languages = {name.lower(): name for name in names if "_" not in name}
        self._prefix = prefix
        self._resource = cache(self._read)
        self._bundle = lru_cache(maxsize=256)(self._make_bundle)

    @property
    def languages(self) -> frozenset[str]:
        """Return the languages that have a file."""
        return frozenset(self._languages.values())

    def bundles(self, locale: str) -> list[FluentBundle]:
        """Return the messages to try for a locale: its own, its language's, English.

        Numbers and dates are written as the locale writes them where the language is its own.
        """
        tag = language_tag(locale).lower()
        tries = _prefixes(tag)
        found = [self._languages[each] for each in tries if each in self._languages]
        return [
            self._bundle(language, _conventions(tag, language))
            for language in dict.fromkeys([*found, FALLBACK])
        ]

    def _make_bundle(self, language: str, conventions: str) -> FluentBundle:
        bundle = FluentBundle([conventions], use_isolating=False)
        bundle.add_resource(self._resource(language))
        return bundle

    def _read(self, language: str) -> Resource:
        file = LOCALES / f"{self._prefix}{language}.ftl"
        return FluentResource(file.read_text(encoding="utf-8"))


def _prefixes(tag: str) -> list[str]:
    """Return a tag, and what is left as its subtags are taken away from the right."""
    parts = tag.split("-")
    return ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]


@lru_cache(maxsize=256)
def _conventions(tag: str, language: str) -> str:
    """Return the known locale that a tag of a language means, or else the language itself."""
    for prefix in _prefixes(tag):
        try:
            locale = Locale.parse(prefix, sep="-")
        except (ValueError, UnknownLocaleError):  # a phone may send anything
            continue
        if locale.language == language.split("-")[0].lower():
            return str(locale).replace("_", "-")
    return language
