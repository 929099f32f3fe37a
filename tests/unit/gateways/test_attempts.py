"""What surrounds a single request: room, deadline, order, and never an exception."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from schoolbell_server.domain.kinds import Outcome, ProviderEnvironment
from schoolbell_server.gateways.common.attempts import Attempt, Attempts
from schoolbell_server.gateways.common.circuit import CREDENTIAL_PAUSE, Circuit, CircuitState
from schoolbell_server.gateways.common.circuits import Circuits
from schoolbell_server.gateways.common.mass_death import IN_A_ROW
from schoolbell_server.gateways.common.push import GatewayHealth, Push, PushResult
from tests.unit.gateways.clock import Time
from tests.unit.gateways.pushes import NOW, push

PATIENCE = 20.0


@dataclass
class Provider:
    """Answers what it is told to, or waits until it is let go."""

    outcome: Outcome = Outcome.ACCEPTED
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: int = 0
    most: int = 0
    seen: list[str] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)
    entered: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, sent: Push, left: float) -> PushResult:
        self.seen.append(sent.delivery_id)
        self.limits.append(left)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.entered.set()
        try:
            await asyncio.sleep(0)
            if sent.title == "wait":
                await self.gate.wait()
            if sent.title == "break":
                raise ValueError(sent.address)
            return PushResult(delivery_id=sent.delivery_id, outcome=self.outcome)
        finally:
            self.under_way -= 1


def attempts(
    attempt: Attempt,
    *,
    in_flight: int = 10,
    deadline: float = PATIENCE,
    circuit: Circuit | None = None,
    circuits: dict[ProviderEnvironment, Circuit] | None = None,
) -> Attempts:
    return Attempts(
        attempt,
        in_flight=in_flight,
        deadline=dt.timedelta(seconds=deadline),
        circuits=Circuits(circuits or dict.fromkeys(ProviderEnvironment, circuit or Circuit())),
        clock=lambda: NOW,
    )


def batch(
    count: int, title: str = "", environment: ProviderEnvironment = ProviderEnvironment.PRODUCTION
) -> list[Push]:
    return [
        push(delivery_id=f"d{number}", title=title, environment=environment)
        for number in range(count)
    ]


def probed(sender: Attempts, outcome: Outcome, reason: str) -> GatewayHealth:
    """Let a probe begin and end now."""
    return sender.probed(ProviderEnvironment.PRODUCTION, outcome, reason, time.monotonic())


def outcomes(results: Sequence[PushResult]) -> list[Outcome]:
    return [result.outcome for result in results]


async def test_results_are_in_the_batchs_order() -> None:
    results = await attempts(Provider()).send(batch(50))
    assert [result.delivery_id for result in results] == [f"d{n}" for n in range(50)]


async def test_an_empty_batch_has_no_results() -> None:
    assert list(await attempts(Provider()).send([])) == []


async def test_no_more_than_there_is_room_for_are_under_way_over_all_batches() -> None:
    provider = Provider()
    sender = attempts(provider, in_flight=7)
    await asyncio.gather(*(sender.send(batch(20)) for _ in range(3)))
    assert (len(provider.seen), provider.most) == (60, 7)


async def test_one_push_that_breaks_does_not_take_its_batch_along() -> None:
    pushes = [*batch(2), push(delivery_id="bad", title="break", address="secret"), *batch(1)]
    results = await attempts(Provider()).send(pushes)
    assert outcomes(results) == [*[Outcome.ACCEPTED] * 2, Outcome.ANSWER_LOST, Outcome.ACCEPTED]
    assert results[2].provider_reason == "ValueError"


async def test_waiting_for_room_counts_and_what_never_got_any_was_not_sent() -> None:
    provider = Provider()
    sender = attempts(provider, in_flight=1, deadline=0.05)
    stuck = asyncio.create_task(sender.send(batch(1, "wait")))
    await provider.entered.wait()
    async with asyncio.timeout(PATIENCE):
        results = await sender.send(batch(30))
    assert outcomes(results) == [Outcome.NOT_SENT] * 30
    assert len(provider.seen) == 1
    provider.gate.set()
    assert outcomes(await stuck) == [Outcome.ACCEPTED]


async def test_an_attempt_has_only_what_is_left_of_its_deadline() -> None:
    provider = Provider()
    await attempts(provider, deadline=3).send(batch(5))
    assert all(0 < limit <= 3 for limit in provider.limits)


async def test_what_is_expired_is_not_sent() -> None:
    provider = Provider()
    late = push(expire_time=NOW)
    results = await attempts(provider).send([late])
    assert (outcomes(results), results[0].provider_reason) == ([Outcome.NOT_SENT], "expired")
    assert provider.seen == []


async def test_an_open_circuit_sends_nothing_and_says_why() -> None:
    provider, circuit = Provider(), Circuit(lambda: 0.0)
    circuit.record(Outcome.CREDENTIAL_BAD, 0.0)
    results = await attempts(provider, circuit=circuit).send(batch(3))
    assert outcomes(results) == [Outcome.CREDENTIAL_BAD] * 3
    assert all(result.held for result in results)
    assert {result.provider_reason for result in results} == {"circuit open"}
    assert provider.seen == []


async def test_a_provider_that_is_down_is_no_matter_of_credentials() -> None:
    circuit = Circuit(lambda: 0.0)
    for _ in range(100):
        circuit.record(Outcome.ANSWER_LOST, 0.0)
    results = await attempts(Provider(), circuit=circuit).send(batch(3))
    assert outcomes(results) == [Outcome.NOT_SENT] * 3


async def test_environments_fail_by_themselves() -> None:
    provider = Provider()
    circuits = {environment: Circuit(lambda: 0.0) for environment in ProviderEnvironment}
    sender = attempts(provider, circuits=circuits)
    circuits[ProviderEnvironment.PRODUCTION].record(Outcome.CREDENTIAL_BAD, 0.0)
    wait = circuits[ProviderEnvironment.PRODUCTION].wait
    assert sender.circuits.view().hold == wait, "nobody uses the other one"
    (first,) = await sender.send(batch(1))
    assert (first.held, first.retry_after) == (True, dt.timedelta(0))
    both = [*batch(2), *batch(2, environment=ProviderEnvironment.SANDBOX)]
    results = await sender.send(both)
    assert [one.held for one in results] == [True, True, False, False]
    assert sender.circuits.view().hold is None, "the other one's may leave"
    assert sender.circuits.view().state is CircuitState.OPEN
    (later,) = await sender.send(batch(1))
    assert later.retry_after == wait, "or it would be claimed again at once"


async def test_a_trial_is_told_from_an_attempt() -> None:
    time = Time()
    circuit = Circuit(time)
    sender = attempts(Provider(outcome=Outcome.NOT_SENT), circuit=circuit)
    (attempt,) = await sender.send(batch(1))
    circuit.record(Outcome.CREDENTIAL_BAD, time.now)
    time.now += CREDENTIAL_PAUSE
    assert sender.circuits.view().hold == dt.timedelta(0)
    trial, held = await sender.send(batch(2))
    assert [one.trial for one in (attempt, trial, held)] == [False, True, False]
    assert [one.held for one in (attempt, trial, held)] == [False, False, True]


async def test_what_is_in_flight_is_counted() -> None:
    provider = Provider()
    sender = attempts(provider, in_flight=3)
    assert sender.in_flight == 0
    under_way = asyncio.create_task(sender.send(batch(7, "wait")))
    await provider.entered.wait()
    assert sender.in_flight == 3
    provider.gate.set()
    await under_way
    assert sender.in_flight == 0


async def test_draining_waits_for_what_is_under_way() -> None:
    provider = Provider()
    sender = attempts(provider)
    under_way = asyncio.create_task(sender.send(batch(3, "wait")))
    await provider.entered.wait()
    drained = asyncio.create_task(sender.drain())
    await asyncio.sleep(0)
    assert not drained.done()
    provider.gate.set()
    async with asyncio.timeout(PATIENCE):
        await drained
        assert outcomes(await under_way) == [Outcome.ACCEPTED] * 3


async def test_a_cancelled_batch_gives_its_room_back() -> None:
    provider = Provider()
    sender = attempts(provider, in_flight=2)
    task = asyncio.create_task(sender.send(batch(5, "wait")))
    await provider.entered.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(PATIENCE):
        await sender.drain()
        assert outcomes(await sender.send(batch(5))) == [Outcome.ACCEPTED] * 5


async def test_mass_death_spares_the_tokens_of_one_environment_and_shows() -> None:
    provider = Provider(outcome=Outcome.TOKEN_DEAD)
    sender = attempts(provider)
    results = await sender.send(batch(IN_A_ROW, environment=ProviderEnvironment.SANDBOX))
    assert outcomes(results) == [Outcome.TOKEN_OF_ANOTHER_APP] * IN_A_ROW
    assert outcomes(await sender.send(batch(1))) == [Outcome.TOKEN_DEAD]
    health = probed(sender, Outcome.PAYLOAD_BAD, "PayloadEmpty")
    assert (health.connected, health.tokens_spared) == (True, True)
    assert health.reason == "every device token is refused"


async def test_a_probe_tells_what_is_wrong() -> None:
    sender = attempts(Provider())
    assert probed(sender, Outcome.PAYLOAD_BAD, "PayloadEmpty").reason == ""
    lost = probed(sender, Outcome.NOT_SENT, "Connection refused")
    assert (lost.connected, lost.reason, lost.circuit_open) == (False, "Connection refused", False)
    refused = probed(sender, Outcome.CREDENTIAL_BAD, "InvalidProviderToken")
    assert (refused.connected, refused.circuit_open) == (False, True)
    assert refused.reason == "InvalidProviderToken"
    well = probed(sender, Outcome.TOKEN_DEAD, "INVALID_ARGUMENT")
    assert (well.connected, well.reason, well.circuit_open) == (True, "", False)
