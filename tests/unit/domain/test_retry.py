"""How long a delivery waits for its next attempt."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbell_server.domain.kinds import Outcome, Provider
from schoolbell_server.domain.retry import APPLE_PAUSE, RetryPolicy, Trouble, pause

SECOND, MINUTE = dt.timedelta(seconds=1), dt.timedelta(minutes=1)
POLICY = RetryPolicy()
APNS, FCM = Provider.APNS, Provider.FCM
NEVER_QUITE_1 = 1 - 2**-53
TRANSIENT = (
    Outcome.THROTTLED_DEVICE,
    Outcome.THROTTLED_PROJECT,
    Outcome.PROVIDER_DOWN,
    Outcome.ANSWER_LOST,
    Outcome.NOT_SENT,
    Outcome.CREDENTIAL_BAD,
)


def trouble(
    outcome: Outcome = Outcome.NOT_SENT,
    provider: Provider = APNS,
    *,
    attempts: int = 1,
    reason: str = "",
    retry_after: dt.timedelta | None = None,
) -> Trouble:
    return Trouble(
        provider=provider,
        outcome=outcome,
        reason=reason,
        attempts=attempts,
        retry_after=retry_after,
    )


def bounds(what: Trouble, policy: RetryPolicy = POLICY) -> tuple[dt.timedelta, dt.timedelta]:
    return pause(what, policy, 0.0), pause(what, policy, 1.0)


@pytest.mark.parametrize(
    ("attempts", "longest"),
    [(1, SECOND), (2, 2 * SECOND), (3, 4 * SECOND), (8, 128 * SECOND), (11, 15 * MINUTE)],
)
def test_what_never_left_backs_off_exponentially_with_full_jitter(
    attempts: int, longest: dt.timedelta
) -> None:
    assert bounds(trouble(attempts=attempts)) == (dt.timedelta(0), longest)


def test_ten_thousand_attempts_still_have_a_bound() -> None:
    assert pause(trouble(attempts=10_000), POLICY, 1.0) == POLICY.longest


LEAST = {
    (FCM, Outcome.PROVIDER_DOWN): 10 * SECOND,
    (FCM, Outcome.ANSWER_LOST): 10 * SECOND,
    (FCM, Outcome.THROTTLED_DEVICE): MINUTE,
    (FCM, Outcome.THROTTLED_PROJECT): MINUTE,
    (APNS, Outcome.THROTTLED_DEVICE): MINUTE,
    (APNS, Outcome.THROTTLED_PROJECT): MINUTE,
}


@pytest.mark.parametrize(("provider", "outcome"), [(p, o) for p in Provider for o in TRANSIENT])
def test_never_sooner_than_the_provider_wants(provider: Provider, outcome: Outcome) -> None:
    least = LEAST.get((provider, outcome), dt.timedelta(0))
    for attempts in (1, 2, 9):
        assert pause(trouble(outcome, provider, attempts=attempts), POLICY, 0.0) == least


def test_apples_internal_error_waits_a_quarter_of_an_hour() -> None:
    down = trouble(Outcome.PROVIDER_DOWN, reason="InternalServerError")
    assert bounds(down) == (APPLE_PAUSE, 2 * APPLE_PAUSE)
    assert dt.timedelta(minutes=15) == APPLE_PAUSE


def test_apples_other_troubles_do_not() -> None:
    shutdown = trouble(Outcome.PROVIDER_DOWN, reason="ServiceUnavailable")
    assert pause(shutdown, POLICY, 1.0) == SECOND


def test_googles_internal_error_does_not() -> None:
    down = trouble(Outcome.PROVIDER_DOWN, FCM, reason="InternalServerError")
    assert pause(down, POLICY, 0.0) == 10 * SECOND


def test_those_that_failed_together_do_not_come_back_together() -> None:
    for outcome in TRANSIENT:
        for provider in Provider:
            for after in (None, 20 * SECOND):
                earliest, latest = bounds(trouble(outcome, provider, retry_after=after))
                assert latest - earliest >= SECOND


class TestRetryAfter:
    """The provider's own wish is honoured, within reason."""

    def test_is_a_least_wait(self) -> None:
        earliest, latest = bounds(trouble(retry_after=30 * SECOND))
        assert (earliest, latest) == (30 * SECOND, MINUTE)

    def test_shorter_than_the_least_wait_does_not_count(self) -> None:
        throttled = trouble(Outcome.THROTTLED_PROJECT, FCM, retry_after=5 * SECOND)
        assert pause(throttled, POLICY, 0.0) == MINUTE

    def test_is_capped(self) -> None:
        assert pause(trouble(retry_after=dt.timedelta(days=2)), POLICY, 0.0) == 30 * MINUTE

    def test_of_zero_is_no_wish(self) -> None:
        assert bounds(trouble(retry_after=dt.timedelta(0))) == bounds(trouble())


@given(
    st.sampled_from(TRANSIENT),
    st.sampled_from(Provider),
    st.integers(1, 10_000),
    st.none() | st.timedeltas(min_value=dt.timedelta(0), max_value=dt.timedelta(days=999)),
    st.floats(0, NEVER_QUITE_1),
)
def test_every_wait_is_bounded(
    outcome: Outcome,
    provider: Provider,
    attempts: int,
    retry_after: dt.timedelta | None,
    chance: float,
) -> None:
    what = trouble(outcome, provider, attempts=attempts, retry_after=retry_after)
    wait = pause(what, POLICY, chance)
    assert dt.timedelta(0) <= wait <= POLICY.longest_retry_after + POLICY.longest
    later = trouble(outcome, provider, attempts=attempts + 1, retry_after=retry_after)
    assert pause(later, POLICY, chance) >= wait


def test_the_operator_sets_the_bounds() -> None:
    policy = RetryPolicy(first=5 * SECOND, longest=7 * SECOND, longest_retry_after=2 * SECOND)
    assert pause(trouble(), policy, 1.0) == 5 * SECOND
    assert pause(trouble(attempts=9), policy, 1.0) == 7 * SECOND
    assert pause(trouble(retry_after=MINUTE), policy, 0.0) == 2 * SECOND
