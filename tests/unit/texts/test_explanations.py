"""Every gate and every reason has a sentence, in every language."""

from __future__ import annotations

import pytest
from fluent.runtime.types import fluent_number

from schoolbell_server.domain.kinds import Gate, RefusalReason
from schoolbell_server.texts import Explanations
from schoolbell_server.texts.words import Values

EXPLANATIONS = Explanations()
LOCALES = ["en", "es"]


def is_sentence(text: str) -> bool:
    return text[0].isupper() and text.endswith(".") and not set("{}$") & set(text)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("passed", [True, None])
def test_every_gate_that_did_not_fail_has_a_sentence_of_its_own(
    passed: bool | None, locale: str
) -> None:
    said = {EXPLANATIONS.gate(gate, passed, None, {}, locale) for gate in Gate}
    assert len(said) == len(Gate)
    assert all(map(is_sentence, said))


@pytest.mark.parametrize("locale", LOCALES)
def test_every_reason_has_a_sentence_of_its_own(locale: str) -> None:
    said = {
        EXPLANATIONS.gate(Gate.CONDITION, False, reason, {}, locale) for reason in RefusalReason
    }
    assert len(said) == len(RefusalReason)
    assert all(map(is_sentence, said))


def test_the_languages_differ() -> None:
    for reason in RefusalReason:
        english, spanish = (
            EXPLANATIONS.gate(Gate.CONDITION, False, reason, {}, locale) for locale in LOCALES
        )
        assert english != spanish


@pytest.mark.parametrize(
    ("reason", "facts", "said"),
    [
        (
            RefusalReason.NOT_BELOW_LIMIT,
            {"number": "70", "below": "70", "limit_trigger": "ON_CROSSING"},
            "The value, 70, is not below 70, the limit that the user chose.",
        ),
        (
            RefusalReason.NOT_CROSSING,
            {"number": "9.5", "known_number": "9.75", "below": "10"},
            "The value was already below the user's limit of 10: it was 9.75.",
        ),
        (
            RefusalReason.NOT_CROSSING,
            {"number": "9.5", "known_number": "9.999999999", "below": "10"},
            "The value was already below the user's limit of 10: it was 9.999999999.",
        ),
        (
            RefusalReason.CALENDAR_NOT_IN_ACTIVE_YEAR,
            {"school_year": "2026", "active_school_year": "2027"},
            "The calendar belongs to the school year that ends in 2026, but the active one ends "
            "in 2027.",
        ),
        (
            RefusalReason.NOT_ENROLLED,
            {"judged_date": "2026-11-24"},
            "The student is not enrolled in the calendar on Nov 24, 2026.",
        ),
        (
            RefusalReason.PLATFORM_TOO_OLD,
            {"os_version": "14.1", "minimum_os_version": "16"},
            "The device's system is version 14.1, but the district supports 16 and later.",
        ),
    ],
)
def test_known_facts_are_told(reason: RefusalReason, facts: dict[str, str], said: str) -> None:
    assert EXPLANATIONS.gate(Gate.CONDITION, False, reason, facts, "en") == said


def test_missing_facts_make_a_plainer_sentence() -> None:
    for facts in ({}, {"number": "71"}, {"number": "71", "below": ""}):
        said = EXPLANATIONS.gate(Gate.CONDITION, False, RefusalReason.NOT_BELOW_LIMIT, facts, "en")
        assert said == "The value is not below the limit that the user chose."


@pytest.mark.parametrize("number", ["a lot", "NaN", "1e999", "7\n1", "\x00"])
def test_odd_facts_never_raise(number: str) -> None:
    facts = {"number": number, "below": number, "judged_date": number}
    for reason in RefusalReason:
        assert is_sentence(EXPLANATIONS.gate(Gate.CONDITION, False, reason, facts, "es-\x00"))


def test_facts_are_written_as_the_locale_does() -> None:
    facts = {"number": "71.5", "below": "70"}
    said = EXPLANATIONS.gate(Gate.CONDITION, False, RefusalReason.NOT_BELOW_LIMIT, facts, "es-ES")
    assert "71,5" in said


@pytest.mark.parametrize(
    ("devices", "locale", "said"),
    [
        (1, "en", "Told on one device."),
        (3, "en-GB", "Told on 3 devices."),
        (2, "es", "Se avisó en 2 dispositivos."),
    ],
)
def test_summaries_count_devices(devices: int, locale: str, said: str) -> None:
    values: Values = {"devices": fluent_number(devices)}
    assert EXPLANATIONS.say(locale, "summary-told", values=values) == said


def test_a_failed_gate_without_a_reason_is_still_told() -> None:
    assert EXPLANATIONS.gate(Gate.RELATED, False, None, {}, "en") == "This rule was not met."
