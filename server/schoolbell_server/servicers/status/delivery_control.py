"""Retry and cancel: a person's hand on what waits, in steps that never hold the queue up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import status_service_pb2 as messages
from schoolbell_server.contract.delivery_filters import MUST_NAME, names_something, read_filter
from schoolbell_server.dispatch.cancelling import cancel_deliveries
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.kinds import CancelCause, DeliveryState
from schoolbell_server.domain.transitions import Cancellation, retry
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.validation import REQUIRED, Violations
from schoolbell_server.servicers.common.audit_trail import Trail, asked_of
from schoolbell_server.servicers.common.unattended import Unattended
from schoolbell_server.status import journal
from schoolbell_storage.codec import to_micros
from schoolbell_storage.deliveries import fetch_deliveries, store_deliveries
from schoolbell_storage.delivery_queries import DeliveryQuery, list_deliveries, paged
from schoolbell_storage.districts import bump_facts
from schoolbell_storage.engine import Storage

_STEP = 500
"""Deliveries in one transaction."""
_SERVICE = "schoolbell.v1.StatusService"


class DeliveryControl:
    """Retries failed deliveries and cancels deliveries that are not sent yet."""

    def __init__(
        self,
        storage: Storage,
        *,
        unattended: Unattended,
        clock: Callable[[], dt.datetime],
        on_written: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._unattended = unattended
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
        now = self._clock()

        async def step(connection: AsyncConnection, rows: list[Delivery]) -> list[Delivery]:
            found = [retry(row, now, uncertain=uncertain) for row in rows]
            retried = [row for row in found if row is not None]
            await store_deliveries(connection, retried)
            return retried

        query = replace(query, states=chosen)
        trail = None if request.validate_only else self._trail(request)
        count = await self._unattended.run(
            self._walk(query, step, trail, "replayed"), current_caller().key.key_id
        )
        self._on_written()
        return messages.RetryDeliveriesResponse(delivery_count=count)

    async def cancel(
        self, request: messages.CancelDeliveriesRequest
    ) -> messages.CancelDeliveriesResponse:
        """Cancel deliveries that have not left."""
        violations = Violations()
        if not names_something(request.filter):
            violations.add("filter", MUST_NAME, reasons.REQUIRED)
        if not request.comment:
            violations.add("comment", REQUIRED, reasons.REQUIRED)
        query = read_filter(request.filter, [request.district_id], violations.add)
        violations.refuse()
        unsent = {DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.SENDING}
        chosen = list(unsent & set(query.states)) if query.states else list(unsent)
        now = self._clock()
        why = Cancellation(
            cause=CancelCause.PERSON,
            comment=request.comment,
            principal=current_caller().principal,
        )

        async def step(connection: AsyncConnection, rows: list[Delivery]) -> list[Delivery]:
            done = await cancel_deliveries(connection, rows, why, now)
            await bump_facts(connection, request.district_id)
            return done

        trail = None if request.validate_only else self._trail(request)
        count = 0
        if chosen:
            query = replace(query, states=chosen)
            count = await self._unattended.run(
                self._walk(query, step, trail, "cancelled"), current_caller().key.key_id
            )
        return messages.CancelDeliveriesResponse(delivery_count=count)

    async def _walk(
        self,
        query: DeliveryQuery,
        step: Callable[[AsyncConnection, list[Delivery]], Awaitable[list[Delivery]]],
        trail: Trail | None,
        done: str,
    ) -> int:
        """Carry out `step` on everything the query finds, oldest last; count what it changed.

        Without a trail nothing is kept. `done` is what the audit log calls the change.
        """
        count, before = 0, None
        while True:
            async with self._storage.write(keep=trail is not None) as connection:
                page = await self._page(connection, query, before)
                ids = [row.delivery_id for row in page]
                locked = await fetch_deliveries(connection, ids, lock=True)
                changed = await step(connection, list(locked.values()))
                if trail is not None:
                    await trail.record(connection, **{done: len(changed)})
                    await journal.record(connection, self._clock(), changed)
            count += len(changed)
            if len(page) < _STEP:
                return count
            before = (to_micros(page[-1].create_time), page[-1].delivery_id)

    async def _page(
        self, connection: AsyncConnection, query: DeliveryQuery, before: tuple[int, str] | None
    ) -> list[Delivery]:
        """Return the next deliveries of a query; one of no state finds none."""
        return (
            await list_deliveries(connection, paged(query, before, _STEP)) if query.states else []
        )

    def _trail(
        self, request: messages.RetryDeliveriesRequest | messages.CancelDeliveriesRequest
    ) -> Trail:
        """Return where the audit log hears of a call and its filter."""
        asked = asked_of(request)
        asked.pop("district_id")
        rpc = type(request).__name__.removesuffix("Request")
        return Trail(
            district_id=request.district_id,
            method=f"{_SERVICE}/{rpc}",
            subject="deliveries",
            clock=self._clock,
            asked=asked,
            always=True,
        )
