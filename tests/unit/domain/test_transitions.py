"""The state machine of a delivery: every state against every event."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbell_server.domain.delivery import UNSENT, Attempt, Delivery, changed
from schoolbell_server.domain.kinds import CancelCause, DeliveryState, Outcome
from schoolbell_server.domain.transitions import (
    SUPERSEDED,
    Attempted,
    Cancellation,
    after_attempt,
    after_receipt,
    cancel,
    expire,
    hold,
    retry,
    stop,
)
from tests.unit.domain.deliveries import waiting_delivery
from tests.unit.domain.happenings import at

PENDING, HELD = DeliveryState.PENDING, DeliveryState.HELD
ACCEPTED, REJECTED = DeliveryState.ACCEPTED, DeliveryState.REJECTED
DISPLAYED, OPENED = DeliveryState.DISPLAYED, DeliveryState.OPENED
FAILED, UNCERTAIN = DeliveryState.FAILED, DeliveryState.UNCERTAIN
EXPIRED, CANCELLED = DeliveryState.EXPIRED, DeliveryState.CANCELLED
STORED = [state for state in DeliveryState if state is not DeliveryState.SENDING]
"""SENDING is derived from a lease: a leased delivery is still PENDING or HELD."""

BUDGET = 3
DUE, NOW, RETRY, EXPIRY = at(0), at(1), at(5), at(60)
BY_PERSON = Cancellation(cause=CancelCause.PERSON, comment="not wanted")

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


def delivery(
    state: DeliveryState = PENDING,
    *,
    attempts: int = 0,
    budget_start: int = 0,
    lost: bool = False,
    cancel_asked: bool = False,
    leased: bool = False,
) -> Delivery:
    return waiting_delivery(
        "d",
        state=state,
        due_time=DUE,
        expire_time=EXPIRY,
        attempt_count=attempts,
        budget_start=budget_start,
        answer_lost=lost,
        cancel_cause=CancelCause.PERSON if cancel_asked else None,
        lease_owner="me" if leased else "",
    )


def revised(before: Delivery, **fields: object) -> Delivery:
    """Return a delivery one revision on, written now, with some fields replaced."""
    return changed(before, revision=before.revision + 1, update_time=NOW, **fields)


def ended(
    before: Delivery,
    outcome: Outcome,
    *,
    retry_time: dt.datetime = RETRY,
    budget: int = BUDGET,
    trial: bool = False,
) -> Delivery:
    attempt = Attempt(start_time=DUE, end_time=NOW, outcome=outcome)
    attempted = Attempted(attempt=attempt, retry_time=retry_time, budget=budget, trial=trial)
    return after_attempt(before, attempted, NOW)


def test_every_outcome_is_final_or_tried_again() -> None:
    assert FINAL_OUTCOMES.keys() | RETRIED_OUTCOMES.keys() == set(Outcome)
    assert not FINAL_OUTCOMES.keys() & RETRIED_OUTCOMES.keys()


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
        now = ended(delivery(state, attempts=9, lost=lost, cancel_asked=cancel_asked), outcome)
        assert (now.state, now.attempt_count, now.answer_lost) == (after, 10, lost)
        assert now.due_time == DUE

    @pytest.mark.parametrize("state", sorted(UNSENT))
    @pytest.mark.parametrize(("outcome", "after"), RETRIED_OUTCOMES.items())
    def test_what_may_pass_is_tried_again(
        self, state: DeliveryState, outcome: Outcome, after: DeliveryState
    ) -> None:
        now = ended(delivery(state), outcome)
        assert (now.state, now.due_time) == (after, RETRY)

    @pytest.mark.parametrize("outcome", RETRIED_OUTCOMES)
    def test_only_a_lost_answer_makes_it_uncertain(self, outcome: Outcome) -> None:
        assert ended(delivery(), outcome).answer_lost is (outcome is Outcome.ANSWER_LOST)
        assert ended(delivery(lost=True), outcome).answer_lost

    @pytest.mark.parametrize("outcome", Outcome)
    def test_every_attempt_counts_but_a_refused_credential(self, outcome: Outcome) -> None:
        spent = 0 if outcome is Outcome.CREDENTIAL_BAD else 1
        assert ended(delivery(attempts=1), outcome).attempt_count == 1 + spent

    @pytest.mark.parametrize("outcome", RETRIED_OUTCOMES)
    def test_a_cancel_during_the_attempt_applies_to_what_would_be_retried(
        self, outcome: Outcome
    ) -> None:
        assert ended(delivery(cancel_asked=True), outcome).state is CANCELLED
        last = delivery(attempts=BUDGET - 1, cancel_asked=True)
        assert ended(last, outcome).state is CANCELLED
        assert ended(delivery(cancel_asked=True), outcome, retry_time=EXPIRY).state is CANCELLED

    @pytest.mark.parametrize("outcome", Outcome)
    @pytest.mark.parametrize("state", [state for state in STORED if state not in UNSENT])
    def test_a_state_that_was_reached_meanwhile_stands(
        self, state: DeliveryState, outcome: Outcome
    ) -> None:
        assert ended(delivery(state), outcome).state is state


class TestTheBudget:
    """A number of attempts, and the time to live."""

    @pytest.mark.parametrize("outcome", set(RETRIED_OUTCOMES) - {Outcome.CREDENTIAL_BAD})
    def test_attempts_spent(self, outcome: Outcome) -> None:
        last = delivery(attempts=BUDGET - 1)
        assert ended(delivery(attempts=BUDGET - 2), outcome).state is PENDING
        assert ended(last, outcome).state is (
            UNCERTAIN if outcome is Outcome.ANSWER_LOST else FAILED
        )
        assert ended(replace(last, answer_lost=True), outcome).state is UNCERTAIN

    @pytest.mark.parametrize("outcome", RETRIED_OUTCOMES)
    @pytest.mark.parametrize("retry_time", [EXPIRY, EXPIRY + dt.timedelta(hours=1)])
    def test_time_spent(self, outcome: Outcome, retry_time: dt.datetime) -> None:
        expected = UNCERTAIN if outcome is Outcome.ANSWER_LOST else EXPIRED
        assert ended(delivery(), outcome, retry_time=retry_time).state is expected
        assert ended(delivery(lost=True), outcome, retry_time=retry_time).state is UNCERTAIN

    def test_the_last_moment_before_the_expiry_is_still_tried(self) -> None:
        retry_time = EXPIRY - dt.timedelta(microseconds=1)
        now = ended(delivery(), Outcome.NOT_SENT, retry_time=retry_time)
        assert (now.state, now.due_time) == (PENDING, retry_time)

    def test_both_spent_is_a_dead_letter(self) -> None:
        last = delivery(attempts=BUDGET - 1)
        assert ended(last, Outcome.NOT_SENT, retry_time=EXPIRY).state is FAILED

    def test_a_refused_credential_never_spends_it(self) -> None:
        now = delivery()
        for _ in range(10 * BUDGET):
            now = ended(now, Outcome.CREDENTIAL_BAD)
        assert (now.state, now.attempt_count) == (HELD, 0)

    @pytest.mark.parametrize("outcome", RETRIED_OUTCOMES)
    def test_a_trial_of_a_circuit_spends_it_only_where_a_phone_may_have_seen_it(
        self, outcome: Outcome
    ) -> None:
        now = ended(delivery(), outcome, trial=True)
        free = outcome in (Outcome.CREDENTIAL_BAD, Outcome.NOT_SENT, Outcome.PROVIDER_DOWN)
        assert (now.attempt_count, now.state) == ((0, HELD) if free else (1, PENDING))
        assert now.due_time == RETRY

    @pytest.mark.parametrize("state", sorted(UNSENT))
    def test_what_an_open_circuit_keeps_spends_nothing(self, state: DeliveryState) -> None:
        now = hold(delivery(state, attempts=3), RETRY, NOW)
        assert (now.state, now.attempt_count, now.due_time) == (HELD, 3, RETRY)
        assert hold(delivery(state, cancel_asked=True), RETRY, NOW).state is CANCELLED

    def test_what_has_left_is_held_no_more(self) -> None:
        for state in STORED:
            if state not in UNSENT:
                assert hold(delivery(state), RETRY, NOW) == revised(delivery(state))

    def test_counts_from_the_last_retry(self) -> None:
        retried = delivery(attempts=BUDGET, budget_start=BUDGET)
        assert ended(retried, Outcome.NOT_SENT).state is PENDING
        assert ended(replace(retried, attempt_count=2 * BUDGET - 1), Outcome.NOT_SENT).state is (
            FAILED
        )

    def test_one_attempt_is_a_budget(self) -> None:
        assert ended(delivery(), Outcome.NOT_SENT, budget=1).state is FAILED


class TestExpiry:
    """Never sent late."""

    @pytest.mark.parametrize("state", sorted(UNSENT))
    def test_by_what_is_known(self, state: DeliveryState) -> None:
        assert expire(delivery(state), NOW) == revised(delivery(state), state=EXPIRED)
        assert expire(delivery(state, attempts=2), NOW).state is EXPIRED
        assert expire(delivery(state, lost=True), NOW).state is UNCERTAIN

    def test_a_cancel_that_waits_comes_first(self) -> None:
        assert expire(delivery(cancel_asked=True), NOW).state is CANCELLED

    @pytest.mark.parametrize("state", [state for state in STORED if state not in UNSENT])
    @pytest.mark.parametrize("cancel_asked", [False, True])
    def test_what_has_left_stays_what_it_is(self, state: DeliveryState, cancel_asked: bool) -> None:
        """A phone confirmed it while it was leased, and its sender found its time over."""
        before = delivery(state, attempts=1, lost=True, cancel_asked=cancel_asked, leased=True)
        assert expire(before, NOW) == revised(before, lease_owner="")


class TestCancel:
    """Only what has not left can be cancelled."""

    @pytest.mark.parametrize("state", STORED)
    @pytest.mark.parametrize("leased", [False, True])
    def test_every_state(self, state: DeliveryState, leased: bool) -> None:
        before = delivery(state, attempts=1, leased=leased)
        now = cancel(before, BY_PERSON, NOW)
        if state not in UNSENT:
            assert now is None
        else:
            after = state if leased else CANCELLED
            assert now == revised(before, state=after, **BY_PERSON.fields())

    def test_the_first_cause_stands(self) -> None:
        assert cancel(delivery(cancel_asked=True, leased=True), BY_PERSON, NOW) is None

    @pytest.mark.parametrize("state", STORED)
    def test_a_stop_cancels_only_what_has_not_left(self, state: DeliveryState) -> None:
        before = delivery(state, leased=True)
        cancelled = {"state": CANCELLED, **SUPERSEDED.fields()} if state in UNSENT else {}
        assert stop(before, SUPERSEDED, NOW) == revised(before, lease_owner="", **cancelled)


RANK = {DISPLAYED: 1, OPENED: 2}


class TestAReceipt:
    """It lifts every state with an attempt, and never lowers one."""

    @pytest.mark.parametrize("receipt", [DISPLAYED, OPENED])
    @pytest.mark.parametrize("state", STORED)
    def test_every_state_with_an_attempt(
        self, state: DeliveryState, receipt: DeliveryState
    ) -> None:
        before = delivery(state, attempts=1)
        now = after_receipt(before, receipt, RETRY, NOW)
        if RANK.get(state, 0) >= RANK[receipt]:
            assert now is None
        else:
            opened = RETRY if receipt is OPENED else None
            assert now == revised(before, state=receipt, display_time=RETRY, open_time=opened)

    @pytest.mark.parametrize("state", [PENDING, HELD, EXPIRED, CANCELLED])
    def test_without_an_attempt_it_cannot_be(self, state: DeliveryState) -> None:
        assert after_receipt(delivery(state), DISPLAYED, NOW, NOW) is None

    def test_a_lease_counts_as_an_attempt(self) -> None:
        now = after_receipt(delivery(leased=True), DISPLAYED, NOW, NOW)
        assert now is not None
        assert now.state is DISPLAYED

    def test_so_does_the_lease_of_a_server_that_died(self) -> None:
        now = after_receipt(delivery(lost=True), DISPLAYED, NOW, NOW)
        assert now is not None
        assert now.state is DISPLAYED

    @pytest.mark.parametrize("outcome", Outcome)
    def test_the_outcome_that_follows_does_not_take_it_back(self, outcome: Outcome) -> None:
        shown = after_receipt(delivery(leased=True), OPENED, NOW, NOW)
        assert shown is not None
        now = ended(shown, outcome)
        assert (now.state, now.attempt_count) == (
            OPENED,
            int(outcome is not Outcome.CREDENTIAL_BAD),
        )


class TestRetry:
    """Dead letters come back with fresh attempts; uncertain ones only by name."""

    @pytest.mark.parametrize("state", STORED)
    @pytest.mark.parametrize("uncertain", [False, True])
    def test_every_state(self, state: DeliveryState, uncertain: bool) -> None:
        now = retry(delivery(state, attempts=BUDGET), at(30), uncertain=uncertain)
        if state is FAILED or (state is UNCERTAIN and uncertain):
            retried = delivery(PENDING, attempts=BUDGET, budget_start=BUDGET)
            assert now == changed(retried, revision=2, due_time=at(30), update_time=at(30))
        else:
            assert now is None

    def test_what_was_lost_stays_lost(self) -> None:
        now = retry(delivery(UNCERTAIN, attempts=1, lost=True), at(30), uncertain=True)
        assert now is not None
        assert now.answer_lost

    def test_a_cancel_is_forgotten(self) -> None:
        now = retry(delivery(FAILED, attempts=1, cancel_asked=True), at(30), uncertain=False)
        assert now is not None
        assert now.cancel_cause is None

    @pytest.mark.parametrize("now", [EXPIRY, EXPIRY + dt.timedelta(days=1)])
    def test_an_expired_one_stays_dead(self, now: dt.datetime) -> None:
        assert retry(delivery(FAILED, attempts=1), now, uncertain=True) is None


def rank(state: DeliveryState) -> int:
    if state in UNSENT:
        return 0
    return {ACCEPTED: 2, DISPLAYED: 3, OPENED: 4}.get(state, 1)


_EVENTS = st.one_of(
    st.tuples(st.just("attempt"), st.sampled_from(Outcome)),
    st.tuples(st.just("receipt"), st.sampled_from([DISPLAYED, OPENED])),
    st.tuples(st.just("cancel"), st.booleans()),
    st.tuples(st.sampled_from(["expire", "stop"]), st.none()),
)


@given(st.lists(_EVENTS, max_size=12))
def test_rank_never_falls_but_for_a_retry(events: list[tuple[str, object]]) -> None:
    now = delivery()
    for event, what in events:
        before = now
        if event == "attempt" and now.state in UNSENT:
            assert isinstance(what, Outcome)
            now = ended(now, what)
        elif event == "receipt":
            assert isinstance(what, DeliveryState)
            now = after_receipt(now, what, NOW, NOW) or now
        elif event == "cancel":
            now = cancel(changed(now, lease_owner="me" if what else ""), BY_PERSON, NOW) or now
        elif event == "expire":
            now = expire(now, NOW)
        elif event == "stop":
            now = stop(now, SUPERSEDED, NOW)
        assert rank(now.state) >= rank(before.state)
        assert now.attempt_count >= before.attempt_count
        assert now.answer_lost >= before.answer_lost
