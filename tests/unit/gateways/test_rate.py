"""The token bucket, under a clock of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbell_server.gateways.common.rate import RECOVERY, SLOWEST, TokenBucket
from tests.unit.gateways.clock import Time


def test_a_seconds_worth_goes_at_once_and_the_next_wait_their_turn() -> None:
    bucket = TokenBucket(10, Time())
    assert [bucket.take() for _ in range(10)] == [0.0] * 10
    assert [bucket.take() for _ in range(3)] == pytest.approx([0.1, 0.2, 0.3])


def test_time_fills_it_but_never_beyond_a_second() -> None:
    time = Time()
    bucket = TokenBucket(10, time)
    for _ in range(10):
        bucket.take()
    time.now += 0.5
    assert [bucket.take() for _ in range(6)] == pytest.approx([0, 0, 0, 0, 0, 0.1])
    time.now += 3600
    assert [bucket.take() for _ in range(11)] == pytest.approx([0.0] * 10 + [0.1])


def test_what_was_not_used_is_given_back() -> None:
    bucket = TokenBucket(1, Time())
    bucket.take()
    assert bucket.take() == pytest.approx(1.0)
    bucket.give_back()
    assert bucket.take() == pytest.approx(1.0)


def test_many_are_taken_at_once_or_not_at_all() -> None:
    bucket = TokenBucket(10, Time())
    assert bucket.take_at_once(7)
    assert not bucket.take_at_once(4)
    bucket.give_back(2)
    assert bucket.take_at_once(5)
    assert bucket.take() == pytest.approx(0.1)


def test_slowing_down_halves_the_rate_and_spends_what_was_saved() -> None:
    bucket = TokenBucket(10, Time())
    bucket.slow_down()
    assert [bucket.take() for _ in range(2)] == pytest.approx([0.2, 0.4])


def test_a_burst_of_complaints_is_one_complaint() -> None:
    bucket = TokenBucket(10, Time())
    for _ in range(50):
        bucket.slow_down()
    assert bucket.take() == pytest.approx(0.2)


def test_complaints_that_go_on_slow_it_down_to_the_least_rate() -> None:
    time = Time()
    bucket = TokenBucket(64, time)
    for _ in range(50):
        bucket.slow_down()
        time.now += 1.5
    bucket.slow_down()
    assert bucket.take() == pytest.approx(1 / (64 * SLOWEST))


def test_it_recovers_step_by_step() -> None:
    time = Time()
    bucket = TokenBucket(8, time)
    bucket.slow_down()
    time.now += 1.5
    bucket.slow_down()  # a quarter of the rate
    waits = []
    for _ in range(3):
        while not (wait := bucket.take()):
            pass
        bucket.give_back()
        waits.append(wait)
        time.now += RECOVERY
    assert waits == pytest.approx([1 / 2, 1 / 4, 1 / 8])


@given(st.lists(st.floats(0, 30), max_size=200), st.integers(1, 50))
def test_never_more_than_the_rate_and_a_seconds_worth(gaps: list[float], rate: int) -> None:
    time = Time()
    start = time.now
    bucket = TokenBucket(rate, time)
    leaves = []
    for gap in gaps:
        time.now += gap
        leaves.append(time.now + bucket.take())
    for count, leave in enumerate(sorted(leaves), start=1):
        assert count <= rate + (leave - start) * rate + 1e-6
