"""Retry and cancel: a person's hand on what waits, in steps that never hold the queue up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import status_service_pb2 as messages
from schoolbell_server.contract.delivery_filters import names_something, read_filter
from schoolbell_server.domain.delivery import replay
from schoolbell_server.domain.kinds import CancelCause, DeliveryState
from schoolbell_server.pipeline.cancelling import cancel_deliveries
from schoolbell_server.pipeline.standing import moved_to, standing_of
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.validation import REQUIRED, Violations
from schoolbell_server.status import journal
from schoolbell_storage.audit import append_audit
from schoolbell_storage.codec import to_micros
from schoolbell_storage.deliveries import DeliveryRow, fetch_deliveries, store_deliveries
from schoolbell_storage.delivery_queries import DeliveryQuery, list_deliveries, paged
from schoolbell_storage.districts import bump_facts
from schoolbell_storage.engine import Storage

_STEP = 500
"""Deliveries in one transaction."""
_SERVICE = "schoolbell.v1.StatusService"


class Steering:
    """Replays dead letters and cancels what has not left."""

    def __init__(
        self, storage: Storage, *, clock: Callable[[], dt.datetime], on_written: Callable[[], None]
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._on_written = on_written

    async def retry(
        self, request: messages.RetryDeliveriesRequest
    ) -> messages.RetryDeliveriesResponse:
        """Return FAILED deliveries, and UNCERTAIN ones if named, to the queue."""
        violations = Violations()
        query = read_filter(request.filter, [request.district_id], violations.add)
        violations.refuse()
        uncertain = DeliveryState.UNCERTAIN in query.states
        dead = {DeliveryState.FAILED, DeliveryState.UNCERTAIN}
        chosen = list(dead & set(query.states)) if query.states else [DeliveryState.FAILED]
        now, count = self._clock(), 0

        async def step(connection: AsyncConnection, rows: list[DeliveryRow]) -> list[DeliveryRow]:
            found = [(row, replay(standing_of(row), now, uncertain=uncertain)) for row in rows]
            replayed = [
                moved_to(
                    row, standing, now, cancel_cause=None, cancel_gate=None, cancel_refusal=None
                )
                for row, standing in found
                if standing is not None
            ]
            await store_deliveries(connection, replayed)
            return replayed

        if chosen:
            query = replace(query, states=chosen)
            count = await self._walk(query, step, write=not request.validate_only)
        if not request.validate_only:
            await self._audit(request.district_id, "RetryDeliveries", {"replayed": count}, now)
        self._on_written()
        return messages.RetryDeliveriesResponse(delivery_count=count)

    async def cancel(
        self, request: messages.CancelDeliveriesRequest
    ) -> messages.CancelDeliveriesResponse:
        """Cancel deliveries that have not left."""
        violations = Violations()
        if not names_something(request.filter):
            violations.add("filter", "must name a change, student, user, device or kind")
        if not request.comment:
            violations.add("reason", REQUIRED)
        query = read_filter(request.filter, [request.district_id], violations.add)
        violations.refuse()
        unsent = {DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.SENDING}
        chosen = list(unsent & set(query.states)) if query.states else list(unsent)
        now = self._clock()

        async def step(connection: AsyncConnection, rows: list[DeliveryRow]) -> list[DeliveryRow]:
            cause = CancelCause.PERSON
            done = await cancel_deliveries(connection, rows, cause, request.comment, now)
            await bump_facts(connection, request.district_id)
            return done

        count = 0
        if chosen:
            query = replace(query, states=chosen)
            count = await self._walk(query, step, write=not request.validate_only)
        if not request.validate_only:
            what = {"cancelled": count, "reason": request.comment}
            await self._audit(request.district_id, "CancelDeliveries", what, now)
        return messages.CancelDeliveriesResponse(delivery_count=count)

    async def _walk(
        self,
        query: DeliveryQuery,
        step: Callable[[AsyncConnection, list[DeliveryRow]], Awaitable[list[DeliveryRow]]],
        *,
        write: bool,
    ) -> int:
        """Carry out `step` on everything the query finds, oldest last; count what it changed."""
        count, before = 0, None
        while True:
            async with self._storage.write(keep=write) as connection:
                page = await list_deliveries(connection, paged(query, before, _STEP))
                ids = [row.delivery_id for row in page]
                locked = await fetch_deliveries(connection, ids, lock=True)
                changed = await step(connection, list(locked.values()))
                if write:
                    await journal.record(connection, self._clock(), changed)
            count += len(changed)
            if len(page) < _STEP:
                return count
            before = (to_micros(page[-1].create_time), page[-1].delivery_id)

    async def _audit(
        self, district_id: str, rpc: str, what: dict[str, object], now: dt.datetime
    ) -> None:
        async with self._storage.write() as connection:
            await append_audit(
                connection,
                district_id=district_id,
                now=now,
                actor=current_caller().actor,
                action=f"{_SERVICE}/{rpc}",
                changes=[("deliveries", {}, what)],
            )
