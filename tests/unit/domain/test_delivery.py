"""The state machine of a delivery: every state against every event."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbell_server.domain.delivery import (
    UNSENT,
    Attempted,
    Progress,
    after_attempt,
    after_receipt,
    cancel,
    expire,
    hold,
    replay,
)
from schoolbell_server.domain.kinds import DeliveryState, Outcome
from tests.unit.domain.happenings import at

PENDING, HELD = DeliveryState.PENDING, DeliveryState.HELD
ACCEPTED, REJECTED = DeliveryState.ACCEPTED, DeliveryState.REJECTED
DISPLAYED, OPENED = DeliveryState.DISPLAYED, DeliveryState.OPENED
FAILED, UNCERTAIN = DeliveryState.FAILED, DeliveryState.UNCERTAIN
EXPIRED, CANCELLED = DeliveryState.EXPIRED, DeliveryState.CANCELLED
STORED = [state for state in DeliveryState if state is not DeliveryState.SENDING]
"""SENDING is derived from a lease: a leased delivery is still PENDING or HELD."""

BUDGET = 3
DUE, RETRY, EXPIRY = at(0), at(5), at(60)

FINAL_OUTCOMES = {
    Outcome.ACCEPTED: ACCEPTED,
    Outcome.TOKEN_DEAD: REJECTED,
    Outcome.TOKEN_OF_ANOTHER_APP: REJECTED,
    Outcome.PAYLOAD_BAD: REJECTED,
}
RETRIED_OUTCOMES = {
    Outcome.THROTTLED_DEVICE: PENDING,
    Outcome.THROTTLED_PROJECT: PENDING,
    Outcome.PROVIDER_DOWN: PENDING,
    Outcome.ANSWER_LOST: PENDING,
    Outcome.NOT_SENT: PENDING,
    Outcome.CREDENTIAL_BAD: HELD,
}


def progress(
    state: DeliveryState = PENDING,
    *,
    attempts: int = 0,
    budget_start: int = 0,
    lost: bool = False,
    cancel_asked: bool = False,
) -> Progress:
    return Progress(
        state=state,
        due_time=DUE,
        expire_time=EXPIRY,
        attempt_count=attempts,
        budget_start=budget_start,
        answer_lost=lost,
        cancel_asked=cancel_asked,
    )


def ended(
    before: Progress, outcome: Outcome, *, retry_time: dt.datetime = RETRY, budget: int = BUDGET
) -> Progress:
    return after_attempt(before, Attempted(outcome=outcome, retry_time=retry_time, budget=budget))


def test_every_outcome_is_final_or_tried_again() -> None:
    assert FINAL_OUTCOMES.keys() | RETRIED_OUTCOMES.keys() == set(Outcome)
    assert not FINAL_OUTCOMES.keys() & RETRIED_OUTCOMES.keys()


def test_a_new_delivery_has_no_history() -> None:
    assert Progress(state=PENDING, due_time=DUE, expire_time=EXPIRY) == progress()


class TestAnAttempt:
    """What its outcome makes of a delivery."""

    @pytest.mark.parametrize("state", sorted(UNSENT))
    @pytest.mark.parametrize(("outcome", "after"), FINAL_OUTCOMES.items())
    @pytest.mark.parametrize("lost", [False, True])
    @pytest.mark.parametrize("cancel_asked", [False, True])
    def test_a_final_answer_stands_whatever_was_before(
        self,
        state: DeliveryState,
        outcome: Outcome,
        after: DeliveryState,
        lost: bool,
        cancel_asked: bool,
    ) -> None:
        now = ended(progress(state, attempts=9, lost=lost, cancel_asked=cancel_asked), outcome)
        assert (now.state, now.attempt_count, now.answer_lost) == (after, 10, lost)
        assert now.due_time == DUE

    @pytest.mark.parametrize("state", sorted(UNSENT))
    @pytest.mark.parametrize(("outcome", "after"), RETRIED_OUTCOMES.items())
    def test_what_may_pass_is_tried_again(
        self, state: DeliveryState, outcome: Outcome, after: DeliveryState
    ) -> None:
        now = ended(progress(state), outcome)
        assert (now.state, now.due_time) == (after, RETRY)

    @pytest.mark.parametrize("outcome", RETRIED_OUTCOMES)
    def test_only_a_lost_answer_makes_it_uncertain(self, outcome: Outcome) -> None:
        assert ended(progress(), outcome).answer_lost is (outcome is Outcome.ANSWER_LOST)
        assert ended(progress(lost=True), outcome).answer_lost

    @pytest.mark.parametrize("outcome", Outcome)
    def test_every_attempt_counts_but_a_refused_credential(self, outcome: Outcome) -> None:
        spent = 0 if outcome is Outcome.CREDENTIAL_BAD else 1
        assert ended(progress(attempts=1), outcome).attempt_count == 1 + spent

    @pytest.mark.parametrize("outcome", RETRIED_OUTCOMES)
    def test_a_cancel_during_the_attempt_applies_to_what_would_be_retried(
        self, outcome: Outcome
    ) -> None:
        assert ended(progress(cancel_asked=True), outcome).state is CANCELLED
        last = progress(attempts=BUDGET - 1, cancel_asked=True)
        assert ended(last, outcome).state is CANCELLED
        assert ended(progress(cancel_asked=True), outcome, retry_time=EXPIRY).state is CANCELLED

    @pytest.mark.parametrize("outcome", Outcome)
    @pytest.mark.parametrize("state", [state for state in STORED if state not in UNSENT])
    def test_a_state_that_was_reached_meanwhile_stands(
        self, state: DeliveryState, outcome: Outcome
    ) -> None:
        assert ended(progress(state), outcome).state is state


class TestTheBudget:
    """A number of attempts, and the time to live."""

    @pytest.mark.parametrize("outcome", set(RETRIED_OUTCOMES) - {Outcome.CREDENTIAL_BAD})
    def test_attempts_spent(self, outcome: Outcome) -> None:
        last = progress(attempts=BUDGET - 1)
        assert ended(progress(attempts=BUDGET - 2), outcome).state is PENDING
        assert ended(last, outcome).state is (
            UNCERTAIN if outcome is Outcome.ANSWER_LOST else FAILED
        )
        assert ended(replace(last, answer_lost=True), outcome).state is UNCERTAIN

    @pytest.mark.parametrize("outcome", RETRIED_OUTCOMES)
    @pytest.mark.parametrize("retry_time", [EXPIRY, EXPIRY + dt.timedelta(hours=1)])
    def test_time_spent(self, outcome: Outcome, retry_time: dt.datetime) -> None:
        expected = UNCERTAIN if outcome is Outcome.ANSWER_LOST else EXPIRED
        assert ended(progress(), outcome, retry_time=retry_time).state is expected
        assert ended(progress(lost=True), outcome, retry_time=retry_time).state is UNCERTAIN

    def test_the_last_moment_before_the_expiry_is_still_tried(self) -> None:
        retry_time = EXPIRY - dt.timedelta(microseconds=1)
        now = ended(progress(), Outcome.NOT_SENT, retry_time=retry_time)
        assert (now.state, now.due_time) == (PENDING, retry_time)

    def test_both_spent_is_a_dead_letter(self) -> None:
        last = progress(attempts=BUDGET - 1)
        assert ended(last, Outcome.NOT_SENT, retry_time=EXPIRY).state is FAILED

    def test_a_refused_credential_never_spends_it(self) -> None:
        now = progress()
        for _ in range(10 * BUDGET):
            now = ended(now, Outcome.CREDENTIAL_BAD)
        assert (now.state, now.attempt_count) == (HELD, 0)

    @pytest.mark.parametrize("outcome", RETRIED_OUTCOMES)
    def test_a_trial_of_a_circuit_spends_it_only_where_a_phone_may_have_seen_it(
        self, outcome: Outcome
    ) -> None:
        trial = Attempted(outcome=outcome, retry_time=RETRY, budget=BUDGET, trial=True)
        now = after_attempt(progress(), trial)
        free = outcome in (Outcome.CREDENTIAL_BAD, Outcome.NOT_SENT, Outcome.PROVIDER_DOWN)
        assert (now.attempt_count, now.state) == ((0, HELD) if free else (1, PENDING))
        assert now.due_time == RETRY

    @pytest.mark.parametrize("state", sorted(UNSENT))
    def test_what_an_open_circuit_keeps_spends_nothing(self, state: DeliveryState) -> None:
        now = hold(progress(state, attempts=3), RETRY)
        assert (now.state, now.attempt_count, now.due_time) == (HELD, 3, RETRY)
        assert hold(progress(state, cancel_asked=True), RETRY).state is CANCELLED

    def test_what_has_left_is_held_no_more(self) -> None:
        for state in STORED:
            if state not in UNSENT:
                assert hold(progress(state), RETRY) == progress(state)

    def test_counts_from_the_last_replay(self) -> None:
        replayed = progress(attempts=BUDGET, budget_start=BUDGET)
        assert ended(replayed, Outcome.NOT_SENT).state is PENDING
        assert ended(replace(replayed, attempt_count=2 * BUDGET - 1), Outcome.NOT_SENT).state is (
            FAILED
        )

    def test_one_attempt_is_a_budget(self) -> None:
        assert ended(progress(), Outcome.NOT_SENT, budget=1).state is FAILED


class TestExpiry:
    """Never sent late."""

    @pytest.mark.parametrize("state", sorted(UNSENT))
    def test_by_what_is_known(self, state: DeliveryState) -> None:
        assert expire(progress(state)).state is EXPIRED
        assert expire(progress(state, attempts=2)).state is EXPIRED
        assert expire(progress(state, lost=True)).state is UNCERTAIN

    def test_a_cancel_that_waits_comes_first(self) -> None:
        assert expire(progress(cancel_asked=True)).state is CANCELLED


class TestCancel:
    """Only what has not left can be cancelled."""

    @pytest.mark.parametrize("state", STORED)
    @pytest.mark.parametrize("leased", [False, True])
    def test_every_state(self, state: DeliveryState, leased: bool) -> None:
        now = cancel(progress(state, attempts=1), leased=leased)
        if state not in UNSENT:
            assert now is None
        else:
            assert now is not None
            assert (now.state, now.cancel_asked) == (
                (state, True) if leased else (CANCELLED, False)
            )


RANK = {DISPLAYED: 1, OPENED: 2}


class TestAReceipt:
    """It lifts every state with an attempt, and never lowers one."""

    @pytest.mark.parametrize("receipt", [DISPLAYED, OPENED])
    @pytest.mark.parametrize("state", STORED)
    def test_every_state_with_an_attempt(
        self, state: DeliveryState, receipt: DeliveryState
    ) -> None:
        now = after_receipt(progress(state, attempts=1), receipt, leased=False)
        if RANK.get(state, 0) >= RANK[receipt]:
            assert now is None
        else:
            assert now == progress(receipt, attempts=1)

    @pytest.mark.parametrize("state", [PENDING, HELD, EXPIRED, CANCELLED])
    def test_without_an_attempt_it_cannot_be(self, state: DeliveryState) -> None:
        assert after_receipt(progress(state), DISPLAYED, leased=False) is None

    def test_a_lease_counts_as_an_attempt(self) -> None:
        now = after_receipt(progress(), DISPLAYED, leased=True)
        assert now is not None
        assert now.state is DISPLAYED

    def test_so_does_the_lease_of_a_server_that_died(self) -> None:
        now = after_receipt(progress(lost=True), DISPLAYED, leased=False)
        assert now is not None
        assert now.state is DISPLAYED

    @pytest.mark.parametrize("outcome", Outcome)
    def test_the_outcome_that_follows_does_not_take_it_back(self, outcome: Outcome) -> None:
        shown = after_receipt(progress(), OPENED, leased=True)
        assert shown is not None
        now = ended(shown, outcome)
        assert (now.state, now.attempt_count) == (
            OPENED,
            int(outcome is not Outcome.CREDENTIAL_BAD),
        )


class TestReplay:
    """Dead letters come back with fresh attempts; uncertain ones only by name."""

    @pytest.mark.parametrize("state", STORED)
    @pytest.mark.parametrize("uncertain", [False, True])
    def test_every_state(self, state: DeliveryState, uncertain: bool) -> None:
        now = replay(progress(state, attempts=BUDGET), at(30), uncertain=uncertain)
        if state is FAILED or (state is UNCERTAIN and uncertain):
            assert now == replace(
                progress(PENDING, attempts=BUDGET, budget_start=BUDGET), due_time=at(30)
            )
        else:
            assert now is None

    def test_what_was_lost_stays_lost(self) -> None:
        now = replay(progress(UNCERTAIN, attempts=1, lost=True), at(30), uncertain=True)
        assert now is not None
        assert now.answer_lost

    def test_a_cancel_is_forgotten(self) -> None:
        now = replay(progress(FAILED, attempts=1, cancel_asked=True), at(30), uncertain=False)
        assert now is not None
        assert not now.cancel_asked

    @pytest.mark.parametrize("now", [EXPIRY, EXPIRY + dt.timedelta(days=1)])
    def test_an_expired_one_stays_dead(self, now: dt.datetime) -> None:
        assert replay(progress(FAILED, attempts=1), now, uncertain=True) is None


def rank(state: DeliveryState) -> int:
    if state in UNSENT:
        return 0
    return {ACCEPTED: 2, DISPLAYED: 3, OPENED: 4}.get(state, 1)


_EVENTS = st.one_of(
    st.tuples(st.just("attempt"), st.sampled_from(Outcome)),
    st.tuples(st.just("receipt"), st.sampled_from([DISPLAYED, OPENED])),
    st.tuples(st.just("cancel"), st.booleans()),
    st.tuples(st.just("expire"), st.none()),
)


@given(st.lists(_EVENTS, max_size=12))
def test_rank_never_falls_but_for_a_replay(events: list[tuple[str, object]]) -> None:
    now = progress()
    for event, what in events:
        before = now
        if event == "attempt" and now.state in UNSENT:
            assert isinstance(what, Outcome)
            now = ended(now, what)
        elif event == "receipt":
            assert isinstance(what, DeliveryState)
            now = after_receipt(now, what, leased=False) or now
        elif event == "cancel":
            now = cancel(now, leased=bool(what)) or now
        elif event == "expire" and now.state in UNSENT:
            now = expire(now)
        assert rank(now.state) >= rank(before.state)
        assert now.attempt_count >= before.attempt_count
        assert now.answer_lost >= before.answer_lost
