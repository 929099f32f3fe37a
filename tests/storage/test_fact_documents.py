"""What is stored of a fact comes back as it was, to the last decimal."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbell_server.domain.fact import FactState, Previous, Setter, Told, Value
from schoolbell_server.domain.kinds.lunch_balance import BalanceValue
from schoolbell_server.domain.kinds.responsive_schedule import ScheduleValue
from schoolbell_storage.fact_documents import (
    decode_state,
    decode_told,
    decode_value,
    encode_state,
    encode_told,
    encode_value,
)
from tests.unit.domain.happenings import at
from tests.unit.domain.strategies import previouses, states, values


@given(states)
def test_a_state_comes_back(state: FactState) -> None:
    assert decode_state(encode_state(state)) == state


@given(previouses, st.none() | values)
def test_what_a_delivery_tells_comes_back(previous: Previous, current: Value | None) -> None:
    told = Told(previous, current)
    assert decode_told(encode_told(told)) == told


@given(values, values)
def test_different_values_are_different_documents(one: Value, other: Value) -> None:
    same = encode_value(one) == encode_value(other)
    assert not same or one == other


@pytest.mark.parametrize("number", ["0.1", "-12.3400", "1E+3", "123456789012.000000001", "-0"])
def test_a_number_keeps_every_digit(number: str) -> None:
    value = decode_value(encode_value(BalanceValue(Decimal(number))))
    assert isinstance(value, BalanceValue)
    assert str(value.balance) == number


def test_unknown_is_a_value_of_its_own() -> None:
    assert decode_value(encode_value(None)) is None


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run on a machine whose own zone is not UTC."""
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_away")
def test_what_is_stored_is_compact_readable_and_in_utc() -> None:
    local = at(0).astimezone(dt.timezone(dt.timedelta(hours=-5)))
    state = FactState(
        value=ScheduleValue("Café", "Gym"),
        occur_time=local,
        set_time=at(1),
        setter=Setter("sis", "s1"),
    )
    when = "2026-09-15T17:00:00+00:00"
    since = "2026-09-15T17:01:00+00:00"
    assert encode_state(state) == (
        f'[["schedule","Café","Gym",false],"{when}","{since}","sis","s1",[]]'
    )
    told = Told(Previous(value=state.value, set_time=local), None)
    assert encode_told(told) == f'[["schedule","Café","Gym",false],false,"{when}",null]'


def test_a_state_is_short() -> None:
    state = FactState(
        value=BalanceValue(Decimal("9.50")),
        occur_time=at(0),
        set_time=at(1),
        setter=Setter("sis", ""),
    )
    assert len(encode_state(state)) < 110


def test_times_are_stored_in_utc() -> None:
    chicago = dt.timezone(dt.timedelta(hours=-5))
    state = FactState(
        value=None,
        occur_time=at(0).astimezone(chicago),
        set_time=at(1).astimezone(chicago),
        setter=Setter("sis", ""),
    )
    decoded = decode_state(encode_state(state))
    assert decoded == state
    assert decoded.occur_time.utcoffset() == dt.timedelta(0)


@pytest.mark.parametrize("document", [["grade"], ["colour", "blue"], []])
def test_what_is_no_value_is_refused(document: list[str]) -> None:
    with pytest.raises(ValueError, match="not a value"):
        decode_value(document)
