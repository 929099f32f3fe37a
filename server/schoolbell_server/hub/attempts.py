"""From one batch of a district to its outcomes: each attempt once, whatever comes twice."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from schoolbell_server.background.periodic import until_stored
from schoolbell_server.domain.kinds import Outcome, Platform
from schoolbell_server.domain.transitions import is_free
from schoolbell_server.gateways.common.push import Gateway, Push, PushResult
from schoolbell_server.hub.ledger_bound import LedgerBound
from schoolbell_server.hub.metrics import HubMetrics
from schoolbell_server.hub.order import Order
from schoolbell_server.link.v1 import link_pb2
from schoolbell_server.link.wire import (
    BadContent,
    expiry_of,
    outcome_of,
    push_of,
    read_contents,
    time_of,
)
from schoolbell_server.observability.log import get_logger
from schoolbell_server.security.sealing import CannotOpen, HubKeys, Sealed
from schoolbell_storage import hub_ledger
from schoolbell_storage.engine import Storage
from schoolbell_storage.hub_ledger import Key, LedgerClaim, Wanted

_logger = get_logger(__name__)

_SLACK = dt.timedelta(seconds=5)
"""Beyond an attempt's own time: for the ledger to take its outcome."""
_UNKNOWN_KEY = dt.timedelta(minutes=1)

_Gateways = Mapping[tuple[str, Platform], Gateway]


@dataclass(frozen=True, slots=True)
class _Asked:
    """One delivery of a batch, read; `refused` is the outcome of one that cannot be attempted."""

    delivery: link_pb2.Delivery
    platform: Platform | None = None
    push: Push | None = None
    refused: PushResult | None = None


class Attempts:
    """Makes the attempts of batches, and remembers them in the ledger."""

    def __init__(
        self,
        storage: Storage,
        gateways: _Gateways,
        keys: HubKeys,
        metrics: HubMetrics,
        bound: LedgerBound,
        *,
        timeout: dt.timedelta,
        clock: Callable[[], dt.datetime],
    ) -> None:
        """`timeout` is the longest that one attempt takes."""
        self._storage = storage
        self._gateways = gateways
        self._keys = keys
        self._metrics = metrics
        self._bound = bound
        self._lease = timeout + _SLACK
        self._clock = clock
        self._order = Order()

    async def make(self, district: str, batch: link_pb2.Batch) -> Sequence[link_pb2.Outcome]:
        """Return an outcome for every delivery; Malformed where sealed contents are none."""
        asked = {
            Key(one.delivery.delivery_id, one.delivery.attempt): one
            for one in self._read(district, batch)
        }
        tellings = {
            (district, one.push.address, one.push.collapse_key)
            for one in asked.values()
            if one.push is not None and one.push.collapse_key
        }
        async with self._order.alone(tellings):
            return await self._make(district, asked)

    async def _make(self, district: str, asked: Mapping[Key, _Asked]) -> Sequence[link_pb2.Outcome]:
        outcomes = {
            key: outcome_of(one.delivery, one.refused)
            for key, one in asked.items()
            if one.refused is not None
        }
        left = {key: one for key, one in asked.items() if key not in outcomes}
        while left:
            claimed = await self._claim(district, left)
            outcomes |= await self._carry_out(district, left, claimed)
            left = {key: one for key, one in left.items() if key not in outcomes}
            if left:
                await self._pause(min(claimed.busy.values(), default=self._clock()))
        return list(outcomes.values())

    async def _pause(self, until: dt.datetime) -> None:
        """Wait for the outcome of whoever is about it, or for the end of its time."""
        wait = (until - self._clock()).total_seconds()
        await asyncio.sleep(min(max(wait, 0.0), 0.5) + 0.05)

    async def _claim(self, district: str, left: Mapping[Key, _Asked]) -> LedgerClaim:
        now = self._clock()
        wanted = {
            key: Wanted(time_of(one.delivery.judge_time), expiry_of(one.delivery.expire_time, now))
            for key, one in left.items()
        }

        async def begin() -> LedgerClaim:
            async with self._storage.write() as connection:
                return await hub_ledger.claim(
                    connection, district, wanted, self._clock(), self._lease
                )

        claimed = await until_stored(begin, "attempts not begun", count=len(left))
        self._bound.count(district, len(claimed.begun))
        if claimed.again:
            # Their answers are lost: a phone may be told twice.
            self._metrics.again.labels(district).inc(len(claimed.again))
            about = {"district_id": district, "count": len(claimed.again)}
            _logger.warning("attempts made again", extra=about)
        return claimed

    async def _carry_out(
        self, district: str, left: Mapping[Key, _Asked], claimed: LedgerClaim
    ) -> dict[Key, link_pb2.Outcome]:
        """Return the outcomes of what is made, known, withdrawn or expired."""
        outcomes: dict[Key, link_pb2.Outcome] = {}
        for key, written in claimed.answered.items():
            outcomes[key] = link_pb2.Outcome.FromString(written)
            outcomes[key].echo = left[key].delivery.echo
        for key in claimed.withdrawn:
            outcomes[key] = _untried(left[key], "withdrawn", withdrawn=True)
        for key in claimed.expired:
            outcomes[key] = _untried(left[key], "expired")
        self._count(district, outcomes, claimed)
        if claimed.begun:
            outcomes |= await self._send(district, {key: left[key] for key in claimed.begun})
        return outcomes

    async def _send(
        self, district: str, begun: Mapping[Key, _Asked]
    ) -> dict[Key, link_pb2.Outcome]:
        """Make attempts, and return their outcomes once they are in the ledger."""
        start = self._clock()
        results = await self._results(begun)
        span = (start, self._clock())
        outcomes = {
            key: outcome_of(begun[key].delivery, result, None if result.held else span)
            for key, result in results.items()
        }
        free = {
            key
            for key, result in results.items()
            if result.held or is_free(result.outcome, trial=result.trial)
        }
        kept = {
            key: outcome.SerializeToString() for key, outcome in outcomes.items() if key not in free
        }

        async def write() -> None:
            async with self._storage.write() as connection:
                await hub_ledger.record(connection, district, kept)
                await hub_ledger.forget(connection, district, free)

        await until_stored(write, "outcomes not written", count=len(outcomes))
        for result in results.values():
            name = "HELD" if result.held else result.outcome.name
            self._metrics.attempts.labels(district, name).inc()
        return outcomes

    async def _results(self, begun: Mapping[Key, _Asked]) -> dict[Key, PushResult]:
        routes: dict[tuple[str, Platform], list[tuple[Key, Push]]] = defaultdict(list)
        results: dict[Key, PushResult] = {}
        for key, one in begun.items():
            if one.push is None or one.platform is None:
                continue
            route = (one.push.app_id, one.platform)
            if route in self._gateways:
                routes[route].append((key, one.push))
            else:
                # Free, and the district holds the app's deliveries until it is put right.
                results[key] = PushResult(
                    delivery_id=key.delivery_id,
                    outcome=Outcome.CREDENTIAL_BAD,
                    provider_reason="hub: it does not send for this app and platform",
                )

        async def send(route: tuple[str, Platform], pushes: list[tuple[Key, Push]]) -> None:
            answers = await self._gateways[route].send([push for _, push in pushes])
            results.update({key: answer for (key, _), answer in zip(pushes, answers, strict=True)})

        await asyncio.gather(*(send(route, pushes) for route, pushes in routes.items()))
        return results

    def _read(self, district: str, batch: link_pb2.Batch) -> Sequence[_Asked]:
        if not batch.HasField("sealed_contents"):
            return [_asked(one, one.content) for one in batch.deliveries]
        sealed = batch.sealed_contents
        try:
            data = self._keys.open(
                Sealed(sealed.key_id, sealed.public_key, sealed.ciphertext), district
            )
            contents = read_contents(data, len(batch.deliveries))
        except CannotOpen as error:
            # The district has a key that this hub does not: it waits, until somebody corrects it.
            return [_refused(one, f"hub: {error}") for one in batch.deliveries]
        return [
            _asked(one, content) for one, content in zip(batch.deliveries, contents, strict=True)
        ]

    def _count(
        self, district: str, outcomes: Mapping[Key, link_pb2.Outcome], claimed: LedgerClaim
    ) -> None:
        for key in outcomes:
            name = (
                "REPEATED"
                if key in claimed.answered
                else "WITHDRAWN"
                if key in claimed.withdrawn
                else "EXPIRED"
            )
            self._metrics.attempts.labels(district, name).inc()


def _asked(delivery: link_pb2.Delivery, content: link_pb2.Content) -> _Asked:
    try:
        platform, push = push_of(delivery, content)
    except BadContent as error:
        bad = PushResult(
            delivery_id=delivery.delivery_id,
            outcome=Outcome.PAYLOAD_BAD,
            provider_reason=str(error),
        )
        return _Asked(delivery, refused=bad)
    return _Asked(delivery, platform, push)


def _refused(delivery: link_pb2.Delivery, reason: str) -> _Asked:
    result = PushResult(
        delivery_id=delivery.delivery_id,
        outcome=Outcome.CREDENTIAL_BAD,
        provider_reason=reason,
        retry_after=_UNKNOWN_KEY,
    )
    return _Asked(delivery, refused=result)


def _untried(one: _Asked, reason: str, *, withdrawn: bool = False) -> link_pb2.Outcome:
    result = PushResult(
        delivery_id=one.delivery.delivery_id, outcome=Outcome.NOT_SENT, provider_reason=reason
    )
    return outcome_of(one.delivery, replace(result, held=withdrawn), withdrawn=withdrawn)
