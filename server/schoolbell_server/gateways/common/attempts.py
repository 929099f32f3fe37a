"""Carry a batch out: bounded in flight, each push within the deadline, and never an exception."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from schoolbell_server.domain.kinds import Outcome, ProviderEnvironment
from schoolbell_server.gateways.common.circuit import Circuit
from schoolbell_server.gateways.common.circuits import Circuits
from schoolbell_server.gateways.common.mass_death import MassDeathGuard
from schoolbell_server.gateways.common.push import GatewayHealth, Push, PushResult
from schoolbell_server.gateways.common.transport import Answer, Leaving, NoAnswer, Transport
from schoolbell_server.gateways.common.trouble import trouble_of
from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.loop_lag import Limit

_logger = get_logger(__name__)

Attempt = Callable[[Push, float], Awaitable[PushResult]]
"""One attempt, within so many seconds."""


class Batched(Protocol):
    """How a gateway sends many pushes at once that nothing keeps."""

    def prepare(self, batch: Sequence[Push]) -> Sequence[Outgoing | None]:
        """Return each push ready to leave; None for one that is to be attempted by itself.

        What they share is made once. Nothing leaves, and nobody is waited for.
        """

    async def conclude(
        self, push: Push, sent: Outgoing, answer: Answer | NoAnswer, begin: float, end: float
    ) -> PushResult:
        """Return what an answer means for a push that left at a time by its circuit's clock.

        A request that was refused as outdated is sent once more, until the loop's time `end`.
        """


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A push as a request that is ready to leave."""

    transport: Transport
    leaving: Leaving
    authorization: str
    """What it shows."""


class Attempts:
    """What the gateways of both providers do around a single request."""

    def __init__(
        self,
        attempt: Attempt,
        batched: Batched | None = None,
        *,
        in_flight: int,
        deadline: dt.timedelta,
        circuits: Circuits,
        clock: Callable[[], dt.datetime],
    ) -> None:
        """`deadline` spans a push's wait for room and its request."""
        self._attempt = attempt
        self._batched = batched
        self._deadline = deadline.total_seconds()
        self.circuits = circuits
        self.in_flight = 0
        """Pushes that an attempt is under way for."""
        self._clock = clock
        self._room = asyncio.Semaphore(in_flight)
        self._guards: dict[ProviderEnvironment, MassDeathGuard] = defaultdict(MassDeathGuard)
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def send(self, batch: Sequence[Push]) -> Sequence[PushResult]:
        """Attempt every push once; the results are in the batch's order."""
        end = asyncio.get_running_loop().time() + self._deadline
        self._under_way += 1
        self._idle.clear()
        try:
            results = await self._send_all(batch, end)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()
        return self._admit(batch, results)

    async def _send_all(self, batch: Sequence[Push], end: float) -> Sequence[PushResult]:
        """Attempt a batch: all that finds room together, where nothing keeps any of it."""
        outgoing: Sequence[Outgoing | None] = ()
        if self._batched is not None and self._is_clear(batch):
            room = 0
            while room < len(batch) and not self._room.locked():
                await self._room.acquire()  # does not wait
                room += 1
            outgoing = self._prepared(self._batched, batch[:room])
        left = [one for one in outgoing if one is not None]
        limit = left[0].transport.limit(end - asyncio.get_running_loop().time()) if left else None
        unclaimed = set(map(id, left))
        padded = [*outgoing, *[None] * (len(batch) - len(outgoing))]
        try:
            return await asyncio.gather(
                *(
                    self._one(push, end)
                    if limit is None or one is None
                    else self._together(push, one, unclaimed, limit, end)
                    for push, one in zip(batch, padded, strict=True)
                )
            )
        finally:
            if limit is not None:
                limit.close()
            for _ in unclaimed:  # cancelled before they began
                self._room.release()

    def _is_clear(self, batch: Sequence[Push]) -> bool:
        """Return whether no circuit keeps a push of a batch, and none is over."""
        circuits = {self.circuits.of(name) for name in {push.environment for push in batch}}
        if any(circuit.is_open or circuit.suspect for circuit in circuits):
            return False
        now = self._clock()
        if any(push.expire_time is not None and push.expire_time <= now for push in batch):
            return False
        return all(circuit.admit() for circuit in circuits)

    def _prepared(self, batched: Batched, batch: Sequence[Push]) -> Sequence[Outgoing | None]:
        """Prepare pushes that hold room; what is attempted by itself gives its room back."""
        outgoing: Sequence[Outgoing | None] = ()
        try:
            outgoing = batched.prepare(batch)
        except Exception as error:  # noqa: BLE001 - each is attempted by itself, and told apart
            _logger.error("batch not prepared", extra={"cause": type(error).__name__})
        for _ in range(len(batch) - sum(one is not None for one in outgoing)):
            self._room.release()
        return outgoing

    async def _together(
        self, push: Push, sent: Outgoing, unclaimed: set[int], limit: Limit, end: float
    ) -> PushResult:
        """Attempt one of many pushes, which holds room that it gives back."""
        unclaimed.discard(id(sent))
        begin = self.circuits.of(push.environment).now()
        self.in_flight += 1
        try:
            answer = await self._answer(sent, limit)
            assert self._batched is not None
            return await self._batched.conclude(push, sent, answer, begin, end)
        except Exception as error:  # noqa: BLE001 - one push must not take its batch along
            return self._broken(push, error, begin)
        finally:
            self.in_flight -= 1
            self._room.release()

    async def _answer(self, sent: Outgoing, limit: Limit) -> Answer | NoAnswer:
        task = asyncio.current_task()
        assert task is not None
        limit.waiting.add(task)
        try:
            return await sent.transport.exchange(sent.leaving)
        except asyncio.CancelledError:
            if not limit.struck(task):
                raise
            return sent.transport.unanswered(sent.leaving)
        finally:
            limit.waiting.discard(task)

    async def drain(self) -> None:
        """Wait until nothing is under way."""
        await self._idle.wait()

    async def probe(
        self, environment: ProviderEnvironment, ask: Callable[[], Awaitable[tuple[Outcome, str]]]
    ) -> GatewayHealth:
        """Ask the provider, and return what is known now; a fault of our own is an answer too."""
        begin = self.circuits.of(environment).now()
        try:
            outcome, reason = await ask()
        except Exception as error:  # noqa: BLE001 - a link that cannot be probed ends no server
            _logger.error("probe failed", extra={"cause": type(error).__name__})
            outcome, reason = Outcome.ANSWER_LOST, type(error).__name__
        return self.probed(environment, outcome, reason, begin)

    def probed(
        self, environment: ProviderEnvironment, outcome: Outcome, reason: str, begin: float
    ) -> GatewayHealth:
        """Take note of a probe that began at a time, and return what is known now."""
        circuit = self.circuits.of(environment)
        circuit.record(outcome, begin)
        if outcome is Outcome.THROTTLED_PROJECT:
            self.circuits.throttle(reason)
        spared = any(guard.tripped for guard in self._guards.values())
        connected = outcome not in (Outcome.PROVIDER_DOWN, Outcome.NOT_SENT, Outcome.ANSWER_LOST)
        refused = outcome is Outcome.CREDENTIAL_BAD
        failed = refused or not connected
        why = reason if failed else circuit.reason
        trouble = trouble_of(outcome, reason) if failed else None
        if trouble is None and circuit.is_open:
            trouble = trouble_of(circuit.cause, circuit.reason)
        return GatewayHealth(
            connected=connected and not refused,
            trouble=trouble,
            reason=why or ("every device token is refused" if spared else ""),
            circuit_open=circuit.is_open,
            credentials_refused=refused,
            tokens_spared=spared,
        )

    async def _one(self, push: Push, end: float) -> PushResult:
        if not await self._enter(end):
            return not_sent(push, "no room within the deadline")
        begin: float | None = None
        try:
            if push.expire_time is not None and push.expire_time <= self._clock():
                return not_sent(push, "expired")
            circuit = self.circuits.of(push.environment)
            alone = circuit.suspect and await circuit.wait_settled(end)
            try:
                if not circuit.admit() or (circuit.suspect and not alone):
                    return self._held(push, circuit)
                trial = circuit.is_open
                left, begin = end - asyncio.get_running_loop().time(), circuit.now()
                result = await self._counted(push, left)
            finally:
                if alone:
                    circuit.found_out()
            return replace(result, trial=True) if trial else result
        except Exception as error:  # noqa: BLE001 - one push must not take its batch along
            return self._broken(push, error, begin)
        finally:
            self._room.release()

    def _broken(self, push: Push, error: Exception, begin: float | None) -> PushResult:
        """Return the result of an attempt that broke; it began at a time, or not at all."""
        # The error's text may quote the push.
        _logger.error(
            "attempt failed",
            extra={"delivery_id": push.delivery_id, "cause": type(error).__name__},
        )
        if begin is not None:
            self.circuits.of(push.environment).record(Outcome.ANSWER_LOST, begin)
        return PushResult(
            delivery_id=push.delivery_id,
            outcome=Outcome.ANSWER_LOST,
            provider_reason=type(error).__name__,
        )

    async def _counted(self, push: Push, left: float) -> PushResult:
        self.in_flight += 1
        try:
            return await self._attempt(push, left)
        finally:
            self.in_flight -= 1

    async def _enter(self, end: float) -> bool:
        if not self._room.locked():
            return await self._room.acquire()
        try:
            async with asyncio.timeout_at(end):
                return await self._room.acquire()
        except TimeoutError:
            return False

    def _held(self, push: Push, circuit: Circuit) -> PushResult:
        return PushResult(
            delivery_id=push.delivery_id,
            outcome=circuit.cause if circuit.is_open else Outcome.NOT_SENT,
            provider_reason="circuit open" if circuit.is_open else "provider silent",
            retry_after=self.circuits.patience(circuit),
            held=True,
        )

    def _admit(self, batch: Sequence[Push], results: Sequence[PushResult]) -> Sequence[PushResult]:
        """Let each environment's guard see its results."""
        places: dict[ProviderEnvironment, list[int]] = defaultdict(list)
        for place, push in enumerate(batch):
            places[push.environment].append(place)
        admitted = list(results)
        for environment, theirs in places.items():
            guard = self._guards[environment]
            before = guard.tripped
            kept = guard.admit([results[place] for place in theirs])
            for place, result in zip(theirs, kept, strict=True):
                admitted[place] = result
            if guard.tripped and not before:
                _logger.warning(
                    "every device token is refused: tokens are kept",
                    extra={"app_id": batch[0].app_id, "environment": environment.name},
                )
        return admitted


def not_sent(push: Push, reason: str, retry_after: dt.timedelta | None = None) -> PushResult:
    """Return the result of a push that never left."""
    return PushResult(
        delivery_id=push.delivery_id,
        outcome=Outcome.NOT_SENT,
        provider_reason=reason,
        retry_after=retry_after,
    )
