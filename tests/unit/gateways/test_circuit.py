"""The circuit: what opens it, what is tried meanwhile, what closes it."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest

from schoolbell_server.domain.kinds import Outcome
from schoolbell_server.gateways.common.circuit import (
    CREDENTIAL_PAUSE,
    DOWN_IN_A_ROW,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    Circuit,
    CircuitState,
)
from tests.unit.gateways.clock import Time

DOWN = [Outcome.PROVIDER_DOWN, Outcome.NOT_SENT, Outcome.ANSWER_LOST]
HEARD = [
    Outcome.ACCEPTED,
    Outcome.TOKEN_DEAD,
    Outcome.TOKEN_OF_ANOTHER_APP,
    Outcome.PAYLOAD_BAD,
    Outcome.THROTTLED_DEVICE,
    Outcome.THROTTLED_PROJECT,
]


def hear(circuit: Circuit, outcome: Outcome) -> None:
    """Let an attempt begin and end."""
    circuit.record(outcome, circuit.now())


def fail(circuit: Circuit, times: int) -> None:
    """Let attempts fail one after another."""
    for number in range(times):
        hear(circuit, DOWN[number % len(DOWN)])


def test_a_new_circuit_is_closed() -> None:
    circuit = Circuit(Time())
    assert (circuit.state, circuit.is_open, circuit.reason) == (CircuitState.CLOSED, False, "")
    assert circuit.admit() and circuit.admit()


def test_refused_credentials_open_it_at_once() -> None:
    circuit = Circuit(Time())
    hear(circuit, Outcome.CREDENTIAL_BAD)
    assert (circuit.state, circuit.cause) == (CircuitState.OPEN, Outcome.CREDENTIAL_BAD)
    assert circuit.reason == "credentials refused"
    assert circuit.wait == dt.timedelta(seconds=CREDENTIAL_PAUSE)
    assert not circuit.admit()


def test_one_push_is_let_through_per_pause() -> None:
    time = Time()
    circuit = Circuit(time)
    hear(circuit, Outcome.CREDENTIAL_BAD)
    time.now += CREDENTIAL_PAUSE
    assert [circuit.admit() for _ in range(3)] == [True, False, False]
    assert circuit.state is CircuitState.HALF_OPEN
    time.now += CREDENTIAL_PAUSE
    assert circuit.admit(), "a trial that is never heard of again stops nothing"


@pytest.mark.parametrize("outcome", HEARD)
def test_any_real_answer_closes_it(outcome: Outcome) -> None:
    circuit = Circuit(Time())
    hear(circuit, Outcome.CREDENTIAL_BAD)
    hear(circuit, outcome)
    assert circuit.state is CircuitState.CLOSED
    assert circuit.admit()


def test_a_provider_that_is_down_opens_it_after_so_many_in_a_row() -> None:
    circuit = Circuit(Time())
    fail(circuit, DOWN_IN_A_ROW - 1)
    assert not circuit.is_open
    fail(circuit, 1)
    assert (circuit.state, circuit.cause) == (CircuitState.OPEN, Outcome.NOT_SENT)
    assert circuit.reason == "provider down"


@pytest.mark.parametrize("outcome", HEARD)
def test_an_answer_in_between_starts_the_count_anew(outcome: Outcome) -> None:
    circuit = Circuit(Time())
    fail(circuit, DOWN_IN_A_ROW - 1)
    hear(circuit, outcome)
    fail(circuit, DOWN_IN_A_ROW - 1)
    assert not circuit.is_open


def test_the_pause_doubles_up_to_its_bound_while_trials_fail() -> None:
    time = Time()
    circuit = Circuit(time)
    fail(circuit, DOWN_IN_A_ROW)
    pauses = []
    for _ in range(9):
        pauses.append(circuit.wait.total_seconds())
        time.now += pauses[-1]
        assert circuit.admit()
        hear(circuit, Outcome.NOT_SENT)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert (pauses[0], pauses[-1]) == (FIRST_PAUSE, LONGEST_PAUSE)


def test_what_fails_together_counts_once() -> None:
    time = Time()
    circuit = Circuit(time)
    for _ in range(DOWN_IN_A_ROW - 1):
        begin = circuit.now()
        time.now += 0.1
        for _ in range(1000):
            circuit.record(Outcome.ANSWER_LOST, begin)
    assert not circuit.is_open
    fail(circuit, 1)
    assert circuit.is_open


@pytest.mark.parametrize("outcome", [*DOWN, Outcome.ACCEPTED, Outcome.CREDENTIAL_BAD])
def test_what_was_under_way_when_it_opened_changes_nothing(outcome: Outcome) -> None:
    time = Time()
    circuit = Circuit(time)
    begin = circuit.now()
    time.now += 1
    fail(circuit, DOWN_IN_A_ROW)
    circuit.record(outcome, begin)
    assert (circuit.state, circuit.cause) == (CircuitState.OPEN, Outcome.NOT_SENT)
    time.now += FIRST_PAUSE
    assert circuit.admit()
    circuit.record(outcome, begin)
    assert circuit.state is CircuitState.HALF_OPEN


def test_credentials_that_are_refused_while_the_provider_was_down_are_the_cause() -> None:
    circuit = Circuit(Time())
    fail(circuit, DOWN_IN_A_ROW)
    hear(circuit, Outcome.CREDENTIAL_BAD)
    assert circuit.cause is Outcome.CREDENTIAL_BAD


def test_a_trial_without_an_answer_leaves_the_cause_and_waits_longer() -> None:
    time = Time()
    circuit = Circuit(time)
    hear(circuit, Outcome.CREDENTIAL_BAD)
    time.now += CREDENTIAL_PAUSE
    circuit.admit()
    hear(circuit, Outcome.ANSWER_LOST)
    assert circuit.cause is Outcome.CREDENTIAL_BAD
    assert circuit.wait == dt.timedelta(seconds=LONGEST_PAUSE)


def test_after_it_closed_the_next_outage_begins_with_the_short_pause() -> None:
    time = Time()
    circuit = Circuit(time)
    fail(circuit, DOWN_IN_A_ROW)
    time.now += FIRST_PAUSE
    circuit.admit()
    hear(circuit, Outcome.ANSWER_LOST)
    hear(circuit, Outcome.ACCEPTED)
    fail(circuit, DOWN_IN_A_ROW)
    assert circuit.wait == dt.timedelta(seconds=FIRST_PAUSE)


def silence(circuit: Circuit, clock: Time) -> float:
    """Let an attempt wait its whole time; return when it began."""
    begin = clock.now
    clock.now += 10
    circuit.record(Outcome.ANSWER_LOST, begin, timed_out=True)
    return begin


async def test_silence_lets_one_find_out_and_its_failure_opens_the_circuit() -> None:
    clock = Time()
    circuit = Circuit(clock)
    hear(circuit, Outcome.ACCEPTED)
    clock.now += 1
    begin = silence(circuit, clock)
    circuit.record(Outcome.ANSWER_LOST, begin, timed_out=True)
    assert circuit.suspect and not circuit.is_open, "what was under way says nothing new"
    end = asyncio.get_running_loop().time() + 20
    assert await circuit.wait_settled(end)
    others = [asyncio.create_task(circuit.wait_settled(end)) for _ in range(3)]
    await asyncio.sleep(0)
    circuit.record(Outcome.NOT_SENT, clock.now, timed_out=True)
    circuit.found_out()
    assert await asyncio.gather(*others) == [False] * 3
    assert circuit.is_open and not circuit.suspect
    assert not circuit.admit(), "and so they are held"


@pytest.mark.parametrize("outcome", HEARD)
async def test_an_answer_ends_the_suspicion_for_everybody(outcome: Outcome) -> None:
    clock = Time()
    circuit = Circuit(clock)
    silence(circuit, clock)
    end = asyncio.get_running_loop().time() + 20
    assert await circuit.wait_settled(end)
    other = asyncio.create_task(circuit.wait_settled(end))
    await asyncio.sleep(0)
    hear(circuit, outcome)
    circuit.found_out()
    assert not await other
    assert not circuit.suspect and not circuit.is_open and circuit.admit()


async def test_if_one_could_not_find_out_another_may_and_nobody_waits_beyond_his_end() -> None:
    clock = Time()
    circuit = Circuit(clock)
    silence(circuit, clock)
    now = asyncio.get_running_loop().time()
    assert await circuit.wait_settled(now + 20)
    assert not await circuit.wait_settled(now), "his time is over"
    other = asyncio.create_task(circuit.wait_settled(now + 20))
    await asyncio.sleep(0)
    circuit.found_out()
    assert await other


@pytest.mark.parametrize("outcome", HEARD)
def test_one_attempt_without_an_answer_among_answered_ones_is_no_silence(outcome: Outcome) -> None:
    clock = Time()
    circuit = Circuit(clock)
    begin = clock.now
    clock.now += 5
    circuit.record(outcome, begin + 1)
    clock.now += 5
    circuit.record(Outcome.ANSWER_LOST, begin, timed_out=True)
    assert not circuit.suspect and not circuit.is_open
