"""Both forms of Retry-After, and what is neither."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbell_server.gateways.common.retry_after import MOST, read_retry_after

LATE = "Mon, 02 Mar 2026 08:00:00 +" + "9" * 20
NOW = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("30", 30),
        (" 7 ", 7),
        ("Mon, 02 Mar 2026 08:01:00 GMT", 60),
        ("Mon, 02 Mar 2026 07:00:00 GMT", 0),
        ("Monday, 02-Mar-26 08:01:00 GMT", 60),
    ],
)
def test_seconds_and_dates_are_read(text: str, seconds: int) -> None:
    assert read_retry_after(text, NOW) == dt.timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["9" * 40, "9" * 5000, "86400", "Fri, 01 Jan 2038 00:00:00 GMT"])
def test_a_huge_wish_is_capped(text: str) -> None:
    assert read_retry_after(text, NOW) == MOST


@pytest.mark.parametrize(
    "text", ["", "soon", "-1", "1.5", "²", "٣", "Mon, 99 Foo 2026 08:00 GMT", LATE]
)
def test_nonsense_is_no_wish(text: str) -> None:
    assert read_retry_after(text, NOW) is None


@given(st.text())
def test_no_header_can_hurt(text: str) -> None:
    wait = read_retry_after(text, NOW)
    assert wait is None or dt.timedelta(0) <= wait <= MOST


@given(st.integers(0, 99999), st.integers(0, 99999), st.integers(-9999, 9999))
def test_no_date_can_hurt(day: int, year: int, zone: int) -> None:
    wait = read_retry_after(f"Mon, {day} Mar {year} 08:00:00 {zone:+05d}", NOW)
    assert wait is None or dt.timedelta(0) <= wait <= MOST
