"""What the client cuts and quotes, as people read it."""

from __future__ import annotations

import pytest

from schoolbell.texts import cut, readable

LETTERS = ["é", "e\u0301\u0323", "👩🏽\u200d🚀", "🇲🇽", "ක්\u200dර", "👨\u200d👩\u200d👧"]


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize("lead", ["", "a", "ab", "abc"])
def test_a_long_text_ends_before_a_letter_with_an_ellipsis(letter: str, lead: str) -> None:
    found = cut(lead + letter * 20, 16)
    assert len(found) <= 16
    kept = found.removesuffix("…").removeprefix(lead)
    assert found.endswith("…")
    assert kept == letter * (len(kept) // len(letter))


def test_a_text_that_fits_stays() -> None:
    assert cut("abc", 3) == "abc"
    assert cut("abcd", 3) == "ab…"
    assert cut("a" + "\u0301" * 50, 3) == "…"


def test_what_would_leave_its_line_is_marked_and_joiners_stay() -> None:
    assert readable("a\n\u2028\x1b\u202eb") == "a\ufffd\ufffd\ufffd\ufffdb"
    assert readable("👩🏽\u200d🚀 ක්\u200dර") == "👩🏽\u200d🚀 ක්\u200dර"
