"""Locales as phones send them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbell_server.domain.locales import is_well_formed, language_tag


@pytest.mark.parametrize(
    ("locale", "tag"),
    [
        ("es-MX", "es-MX"),
        ("ar-EG-u-fw-sun-ms-metric-mu-celsius-nu-latn", "ar-EG"),
        ("es-US-x-lvariant-POSIX", "es-US"),
        ("zh-Hant-TW-a-bb-b-cc-x-d", "zh-Hant-TW"),
        ("en-1994-t-de", "en-1994"),
    ],
)
def test_extensions_and_private_use_are_cut_off(locale: str, tag: str) -> None:
    assert is_well_formed(locale)
    assert language_tag(locale) == tag


@pytest.mark.parametrize(
    "locale",
    ["", "e", "es-", "-es", "es--MX", "es MX", "x-private", "i-klingon", "es-u", "es-MX-x"],
)
def test_what_names_no_language_is_nothing(locale: str) -> None:
    assert not is_well_formed(locale)
    assert language_tag(locale) == ""


def test_a_long_tag_loses_its_last_variants() -> None:
    assert language_tag("es-MX" + "-abcdefgh" * 100_000) == "es-MX" + "-abcdefgh" * 6
    assert language_tag("es-MX" + "-abcdefgh" * 100_000 + "!") == ""


@given(st.from_regex(r"[a-z]{2,3}(-[A-Z]{2})?(-u(-[a-z0-9]{2,8})+)?", fullmatch=True))
def test_a_tag_is_its_own_tag(locale: str) -> None:
    tag = language_tag(locale)
    assert locale.startswith(tag)
    assert language_tag(tag) == tag != ""
