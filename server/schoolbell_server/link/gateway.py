"""The gateway of an app on a platform where a hub sends: it passes on, and outcomes come later."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from schoolbell_server.config.topology import lane_key
from schoolbell_server.domain.kinds import Outcome, Platform, ProviderEnvironment
from schoolbell_server.domain.kinds.registry import PAYLOADS
from schoolbell_server.gateways.common.circuit import Circuit, CircuitState
from schoolbell_server.gateways.common.circuits import CircuitView, circuits_by_environment
from schoolbell_server.gateways.common.push import GatewayHealth, Push, PushResult
from schoolbell_server.gateways.common.trouble import LinkTrouble
from schoolbell_server.link.district_link import DistrictLink, NotPassedOn
from schoolbell_server.link.echo import Echo
from schoolbell_server.link.v1 import link_pb2
from schoolbell_server.link.wire import MOST_DELIVERIES, content_of, stamp
from schoolbell_server.security.sealing import read_public_key, seal

_LIFE = dt.timedelta(days=1)
"""Of what has no expiry of its own."""


class LinkGateway:
    """Passes an app's pushes on to the hub."""

    environment = ProviderEnvironment.PRODUCTION

    def __init__(
        self,
        link: DistrictLink,
        platform: Platform,
        *,
        deadline: dt.timedelta,
        clock: Callable[[], dt.datetime],
    ) -> None:
        """`deadline` is how long the answer to a test notification is waited for."""
        self._link = link
        self._platform = platform
        self._deadline = deadline.total_seconds()
        self._clock = clock
        self._circuits = circuits_by_environment()
        self._key: X25519PublicKey | None = None
        if link.config.hub_key:
            self._key = read_public_key(link.config.hub_key)
        self.in_flight = 0

    async def send(self, batch: Sequence[Push]) -> Sequence[PushResult]:
        """Pass every push on once; the results are in the batch's order.

        Of a test notification the outcome is waited for.
        """
        results: dict[str, PushResult] = {}
        groups: dict[int, list[Push]] = defaultdict(list)
        for push in batch:
            circuit = self._circuits.of(push.environment)
            if circuit.admit():
                groups[0 if push.kind is None else PAYLOADS[push.kind].lane].append(push)
            else:
                results[push.delivery_id] = self._held(push, circuit)
        waiting = {
            push.delivery_id: self._link.expect(push.delivery_id)
            for push in batch
            if push.kind is None and push.delivery_id not in results
        }
        for lane, pushes in groups.items():
            for first in range(0, len(pushes), MOST_DELIVERIES):
                part = pushes[first : first + MOST_DELIVERIES]
                results |= await self._pass_on(lane, part)
        for name, future in waiting.items():
            results[name] = await self._answer(results[name], future)
        return [results[push.delivery_id] for push in batch]

    async def probe(self) -> GatewayHealth:
        """Ask the broker, and return how the link stands."""
        trouble = await self._link.probe()
        return GatewayHealth(
            connected=trouble is None,
            reason="" if trouble is None else trouble.reason,
            trouble=None if trouble is None else trouble.trouble,
            credentials_refused=trouble is not None and trouble.trouble is LinkTrouble.CREDENTIALS,
        )

    def heard(self, echo: Echo, result: PushResult) -> None:
        """Take note of an outcome: trouble that the hub has with a provider holds what is new."""
        circuit = self._circuits.of(echo.environment)
        age = max(self._clock() - echo.publish_time, dt.timedelta(0))
        circuit.record(result.outcome, circuit.now() - age.total_seconds())
        if result.outcome is Outcome.THROTTLED_PROJECT:
            self._circuits.throttle(result.provider_reason, result.retry_after, age=age)

    @property
    def circuit(self) -> CircuitView:
        """Return whether anything can be passed on at present."""
        wait, trouble = self._link.wait, self._link.trouble
        if wait is not None and trouble is not None:
            state = CircuitState.OPEN if self._link.tried else CircuitState.CLOSED
            return CircuitView(state, trouble.reason, hold=wait)
        return self._circuits.view()

    async def close(self) -> None:
        """Do nothing: the link is closed by who opened it."""

    def _held(self, push: Push, circuit: Circuit) -> PushResult:
        return PushResult(
            delivery_id=push.delivery_id,
            outcome=circuit.cause,
            provider_reason="circuit open",
            retry_after=self._circuits.patience(circuit),
            held=True,
        )

    async def _pass_on(self, lane: int, pushes: Sequence[Push]) -> dict[str, PushResult]:
        """Publish one message; where the broker did not confirm it, all of it waits."""
        count = len(pushes)
        self.in_flight += count
        passed = PushResult(delivery_id="", outcome=Outcome.NOT_SENT, passed_on=True)
        try:
            await self._link.publish(lane_key(lane), self._batch(pushes).SerializeToString())
        except NotPassedOn as error:
            passed = PushResult(
                delivery_id="",
                outcome=Outcome.NOT_SENT,
                provider_reason=str(error),
                held=True,
                doubtful=error.doubtful,
            )
        finally:
            self.in_flight -= count
            self._link.count_passed_on(count, confirmed=passed.passed_on)
        return {push.delivery_id: replace(passed, delivery_id=push.delivery_id) for push in pushes}

    async def _answer(self, passed: PushResult, answer: asyncio.Future[PushResult]) -> PushResult:
        """Wait for the outcome of a test notification; another server may be told it."""
        if not passed.passed_on:
            answer.cancel()
            return replace(passed, held=False)
        try:
            return await asyncio.wait_for(answer, self._deadline)
        except TimeoutError:
            reason = "passed on; the hub has not answered in time"
            return replace(
                passed, outcome=Outcome.ANSWER_LOST, provider_reason=reason, passed_on=False
            )

    def _batch(self, pushes: Sequence[Push]) -> link_pb2.Batch:
        now = self._clock()
        contents = [content_of(push, self._platform) for push in pushes]
        batch = link_pb2.Batch(
            deliveries=[
                link_pb2.Delivery(
                    delivery_id=push.delivery_id,
                    attempt=push.attempt,
                    judge_time=stamp(push.judge_time or now),
                    expire_time=stamp(push.expire_time or now + _LIFE),
                    echo=Echo(now, push.environment, push.address_hash).pack(),
                    content=content if self._key is None else None,
                )
                for push, content in zip(pushes, contents, strict=True)
            ]
        )
        if self._key is not None:
            data = link_pb2.Contents(contents=contents).SerializeToString()
            sealed = seal(data, self._key, self._link.topology.district)
            batch.sealed_contents.CopyFrom(
                link_pb2.SealedContents(
                    key_id=sealed.key_id,
                    public_key=sealed.public_key,
                    ciphertext=sealed.ciphertext,
                )
            )
        return batch
