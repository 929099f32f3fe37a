"""Versions are compared as dotted numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbell_server.domain.versions import is_older

_numbers = st.lists(st.integers(0, 300), min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("version", "minimum", "older"),
    [
        ("17.4", "17.4", False),
        ("17.4", "17.5", True),
        ("17.10", "17.9", False),
        ("9", "10", True),
        ("17", "17.0.0", False),
        ("17.0.1", "17", False),
        ("", "", False),
        ("", "1", True),
        ("0", "", False),
        ("1", "", False),
        ("17.4-beta2", "17.4", False),
        (" 17 . 4 ", "17.4", False),
        ("beta", "1", True),
        ("17.x.9", "17.0.9", False),
        ("17..1", "17.0.1", False),
    ],
)
def test_a_version_against_a_minimum(version: str, minimum: str, older: bool) -> None:
    assert is_older(version, minimum) is older


@given(_numbers, _numbers)
def test_numbers_are_compared_as_numbers(version: list[int], minimum: list[int]) -> None:
    width = max(len(version), len(minimum))
    padded = [numbers + [0] * (width - len(numbers)) for numbers in (version, minimum)]
    texts = [".".join(map(str, numbers)) for numbers in (version, minimum)]
    assert is_older(*texts) is (padded[0] < padded[1])


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_text_can_be_compared(version: str, minimum: str) -> None:
    assert not (is_older(version, minimum) and is_older(minimum, version))
