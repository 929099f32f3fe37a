"""The languages that are there: adding one is adding a file to `locales/`."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

from fluent.runtime import FluentBundle, FluentResource

LOCALES = Path(__file__).parent / "locales"
FALLBACK = "en"


@cache
def languages() -> frozenset[str]:
    """Return the languages that have a file."""
    return frozenset(file.stem for file in LOCALES.glob("*.ftl"))


def chain(locale: str) -> tuple[str, ...]:
    """Return the languages to try for a locale, the best first; the last one always has a text."""
    language = locale.replace("_", "-").split("-")[0].lower()
    known = [language] if language in languages() else []
    return tuple(dict.fromkeys([*known, FALLBACK]))


@lru_cache(maxsize=256)
def bundle(language: str, locale: str) -> FluentBundle:
    """Return a language's messages, with numbers and dates as a locale writes them."""
    found = FluentBundle([locale, language], use_isolating=False)
    text = (LOCALES / f"{language}.ftl").read_text(encoding="utf-8")
    found.add_resource(FluentResource(text))
    return found
