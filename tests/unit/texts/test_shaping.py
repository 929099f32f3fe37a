"""Names of all scripts pass whole; what is hidden or breaks the line does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbell_server.texts.shaping import clean, cut, grapheme_ends

WHOLE = {
    "Sinhala": "ශ්\u200dරීමාලි",
    "Persian": "علی\u200cمحمد",
    "Malayalam, a joiner at the end of a word": "അവന്\u200d വന്നു",
    "Hindi": "क्\u200dष",
    "family": "👨\u200d👩\u200d👧\u200d👦",
    "profession with skin tone": "👩🏽\u200d🚀",
    "heart on fire": "❤️\u200d🔥",
    "pirate flag": "🏴\u200d☠️",
    "rainbow flag": "🏳️\u200d🌈",
    "shaking head": "🙂\u200d↔️",
    "Scotland": "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "flag": "🇲🇽",
    "keycap": "1️⃣",
    "Vietnamese, decomposed": "Nguye\u0302\u0303n",
    "Hebrew": "שָׁלוֹם",
}


@pytest.mark.parametrize("script", WHOLE)
def test_names_and_emoji_stay_whole(script: str) -> None:
    assert clean(WHOLE[script]) == WHOLE[script]
    assert clean(f" {WHOLE[script]}\n{WHOLE[script]}\t") == f"{WHOLE[script]} {WHOLE[script]}"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\u200bb", "ab"),
        ("\ufeffAna", "Ana"),
        ("Ana\u00ad-Lena", "Ana-Lena"),
        ("\u202eevil\u202c", "evil"),
        ("\u2066Ana\u2069", "Ana"),
        ("Ana\u200d", "Ana"),
        ("\u200cAna", "Ana"),
        ("Ana \u200d 7", "Ana 7"),
        ("a\U000e0061b", "ab"),
        ("🏴\U000e0067\U000e0062", "🏴"),
        ("Ana\r\nMaria", "Ana Maria"),
        ("Ana\u2028Maria\u2029Eva", "Ana Maria Eva"),
        ("Ana\x00\x1b\x85Maria", "Ana Maria"),
        ("Ana\u00a0\u3000Maria", "Ana Maria"),
        ("Ana\ue000\ufffeMaria", "Ana Maria"),
        ("Ana\ud800Maria", "Ana Maria"),
        ("", ""),
        (" \u200d\n", ""),
    ],
)
def test_what_is_hidden_vanishes_and_what_breaks_is_a_space(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(st.text(st.characters(), max_size=60))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    clean(text).encode()


@pytest.mark.parametrize("script", WHOLE)
@pytest.mark.parametrize("longest", range(1, 24))
def test_a_text_is_cut_before_a_letter_with_an_ellipsis(script: str, longest: int) -> None:
    text = f"{WHOLE[script]} {WHOLE[script]}"
    found = cut(text, longest)
    assert len(found) <= longest
    if len(text) <= longest:
        assert found == text
    else:
        kept = found.removesuffix("…")
        assert found.endswith("…")
        assert kept == "" or len(kept) in grapheme_ends(text)
        assert text.startswith(kept)


def test_a_letter_longer_than_the_limit_leaves_the_ellipsis() -> None:
    assert cut("a" + "\u0301" * 500, 200) == "…"
    assert clean("ab" * 150, 200) == "ab" * 99 + "a…"
