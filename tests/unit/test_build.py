"""Changes are built exactly: money from text, days and times as they are."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from schoolbell.build import Event, date, money
from schoolbell.v1.change_pb2 import GradeChange

NOW = dt.datetime(2026, 11, 24, 23, 30, tzinfo=ZoneInfo("America/Chicago"))


@pytest.mark.parametrize(
    ("amount", "units", "nanos"),
    [
        ("0", 0, 0),
        ("-4.35", -4, -350_000_000),
        ("-0.05", 0, -50_000_000),
        ("+12", 12, 0),
        ("0.000000001", 0, 1),
        ("999999999999.99", 999_999_999_999, 990_000_000),
    ],
)
def test_money_is_exact(amount: str, units: int, nanos: int) -> None:
    found = money(amount, "USD")
    assert (found.units, found.nanos, found.currency_code) == (units, nanos, "USD")


@pytest.mark.parametrize(
    "amount", ["", "4,35", "1e3", " 1", "1.", ".5", "1.0000000001", "1\n", "٣"]
)
def test_what_is_no_amount_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match="is no amount"):
        money(amount)


def test_a_day_is_that_of_its_own_place() -> None:
    assert date(NOW).day == 24
    assert date(NOW.astimezone(dt.UTC)).day == 25


def test_a_change_has_what_its_event_has() -> None:
    event = Event(source="sis", change_id="1", student_id="s", calendar_id="c", occur_time=NOW)
    change = event.grade(GradeChange(grading_period="Q1"))
    assert (change.key.source, change.key.change_id, change.student_id) == ("sis", "1", "s")
    assert change.occur_time.ToDatetime(dt.UTC) == NOW
    assert change.grade.grading_period == "Q1"


def test_a_time_without_its_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Event(source="s", change_id="1", student_id="s", occur_time=NOW.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("built", "value", "told"),
    [
        (money, 4.25, "an amount must be decimal text, such as '-4.35', not the float 4.25"),
        (date, "2026-11-24", "a day must be a datetime.date, not the str '2026-11-24'"),
    ],
)
def test_what_is_of_another_type_is_refused_in_words(built: Any, value: Any, told: str) -> None:
    with pytest.raises(TypeError) as refused:
        built(value)
    assert str(refused.value) == told


def test_a_time_as_text_is_refused_in_words() -> None:
    text: Any = "2026-11-24T15:04:05Z"
    with pytest.raises(TypeError, match="occur_time must be a datetime with its zone, not the str"):
        Event(source="s", change_id="1", student_id="s", occur_time=text)
