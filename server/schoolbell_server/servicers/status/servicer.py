"""What is happening, and what became of every delivery."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

from schoolbell.v1 import status_pb2
from schoolbell.v1 import status_service_pb2 as messages
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell.v1.status_service_pb2_grpc import StatusServiceServicer
from schoolbell_server.contract.change_filters import ChangeTest, read_change_filter
from schoolbell_server.contract.deliveries import write_delivery
from schoolbell_server.contract.delivery_filters import read_filter, write_test
from schoolbell_server.contract.fields import read_id
from schoolbell_server.contract.resume_tokens import ResumeToken, read_token, write_token
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.security.api_key import EVERY_DISTRICT
from schoolbell_server.servicers.change.tallies import read_tallies
from schoolbell_server.servicers.common.not_found import no_district
from schoolbell_server.servicers.common.paging import read_page
from schoolbell_server.servicers.common.sources import is_own, own_sources
from schoolbell_server.servicers.settings.service_state import ServiceStateSource
from schoolbell_server.servicers.status.delivery_control import DeliveryControl
from schoolbell_server.status.calendars import Calendars
from schoolbell_server.status.tail import Tail
from schoolbell_server.status.watch import Watch, WatchSpec
from schoolbell_storage import status_log
from schoolbell_storage.codec import to_micros
from schoolbell_storage.deliveries import fetch_deliveries
from schoolbell_storage.delivery_queries import list_deliveries, paged
from schoolbell_storage.districts import list_districts
from schoolbell_storage.engine import Storage
from schoolbell_storage.pacing import paced
from schoolbell_storage.status_log import LogPosition, LogPruned

_Topic = messages.WatchTopic
_MOST_DISTRICTS = 10_000


class StatusServicer(StatusServiceServicer):
    """Answers and streams states and deliveries; steers what waits."""

    def __init__(
        self,
        storage: Storage,
        *,
        states: ServiceStateSource,
        tail: Tail,
        delivery_control: DeliveryControl,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._storage = storage
        self._states = states
        self._tail = tail
        self._delivery_control = delivery_control
        self._clock = clock

    async def GetStatus(
        self, request: messages.GetStatusRequest, _context: Any
    ) -> messages.GetStatusResponse:
        """Answer the state of the service for one district."""
        async for state in self._states_of(request.district_id):
            return messages.GetStatusResponse(state=state)
        raise no_district(request.district_id)

    async def ListServiceStates(
        self, request: messages.ListServiceStatesRequest, _context: Any
    ) -> messages.ListServiceStatesResponse:
        """List the states of the service for several districts."""
        violations = Violations()
        page = read_page(request, (str,), violations)
        violations.refuse()
        only = current_caller().districts(request.district_id or EVERY_DISTRICT)
        async with self._storage.read() as connection:
            found = await list_districts(connection, page.after_id, page.limit, only)
        shown, token = page.cut(found, lambda row: (row.district_id,))
        return messages.ListServiceStatesResponse(
            states=[await self._states.state(row.district_id) for row in shown],
            next_page_token=token,
        )

    async def WatchStatus(
        self, request: messages.WatchStatusRequest, _context: Any
    ) -> AsyncIterator[messages.WatchStatusResponse]:
        """Stream what changes, from a position on."""
        violations = Violations()
        districts = current_caller().districts(request.district_id)
        query = read_filter(request.delivery_filter, None, violations.add, "delivery_filter")
        changes = read_change_filter(request.change_filter, None, "change_filter", violations.add)
        topics = set(request.topics) or {_Topic.WATCH_TOPIC_STATE, _Topic.WATCH_TOPIC_DELIVERIES}
        if _Topic.WATCH_TOPIC_UNSPECIFIED in topics:
            violations.add("topics", "must name topics", reasons.NOT_ALLOWED)
        violations.refuse()
        await self._district_ids(request.district_id)
        calendars = Calendars(self._storage)
        watch = Watch(
            tail=self._tail,
            spec=WatchSpec(
                districts=districts,
                states=_Topic.WATCH_TOPIC_STATE in topics,
                deliveries=_Topic.WATCH_TOPIC_DELIVERIES in topics,
                changes=_Topic.WATCH_TOPIC_CHANGES in topics,
                test=write_test(query, calendars.schools),
                change_test=ChangeTest(changes),
                calendars=calendars if query.school_ids else None,
                sources=current_caller().key.sources,
            ),
            position=await self._start(request.resume_token),
            states=lambda: self._states_of(request.district_id),
            clock=self._clock,
        )
        try:
            with self._tail.watched():
                async for response in watch.responses():
                    yield response
        except LogPruned:
            raise _expired(await self._tail.position()) from None

    async def GetDelivery(
        self, request: messages.GetDeliveryRequest, _context: Any
    ) -> messages.GetDeliveryResponse:
        """Answer a delivery with all its attempts."""
        violations = Violations()
        read_id(request.delivery_id, "delivery_id", violations.add)
        violations.refuse()
        async with self._storage.read() as connection:
            found = await fetch_deliveries(connection, [request.delivery_id])
        row = found.get(request.delivery_id)
        if row is None or row.district_id != request.district_id or not is_own(row.key.source):
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_DELIVERY_NOT_FOUND,
                f"there is no delivery {request.delivery_id}, or it is no longer kept",
                metadata={"delivery_id": request.delivery_id},
            )
        return messages.GetDeliveryResponse(delivery=write_delivery(row, attempts=True))

    async def ListDeliveries(
        self, request: messages.ListDeliveriesRequest, _context: Any
    ) -> messages.ListDeliveriesResponse:
        """List deliveries, newest first."""
        violations = Violations()
        page = read_page(request, (int, str), violations)
        districts = current_caller().districts(request.district_id)
        query = read_filter(
            request.filter, None if districts is None else sorted(districts), violations.add
        )
        violations.refuse()
        query = replace(query, sources=own_sources(query.sources))
        await self._district_ids(request.district_id)
        async with self._storage.read() as connection:
            position = await status_log.position(connection)
            before = (int(page.after[0]), str(page.after[1])) if page.after else None
            found = await list_deliveries(connection, paged(query, before, page.limit))
        shown, token = page.cut(found, lambda row: (to_micros(row.create_time), row.delivery_id))
        return messages.ListDeliveriesResponse(
            deliveries=[write_delivery(row) async for row in paced(shown)],
            next_page_token=token,
            resume_token=write_token(ResumeToken(position.store_id, position.value)),
        )

    async def GetTallies(
        self, request: messages.GetTalliesRequest, _context: Any
    ) -> messages.GetTalliesResponse:
        """Count changes, refusals and deliveries, by district and kind."""
        district_ids = await self._district_ids(request.district_id)
        return await read_tallies(self._storage, district_ids, request)

    async def RetryDeliveries(
        self, request: messages.RetryDeliveriesRequest, _context: Any
    ) -> messages.RetryDeliveriesResponse:
        """Return dead letters to the queue."""
        await self._district_ids(request.district_id)
        return await self._delivery_control.retry(request)

    async def CancelDeliveries(
        self, request: messages.CancelDeliveriesRequest, _context: Any
    ) -> messages.CancelDeliveriesResponse:
        """Stop deliveries that have not left."""
        await self._district_ids(request.district_id)
        return await self._delivery_control.cancel(request)

    async def _states_of(self, district_id: str) -> AsyncIterator[status_pb2.ServiceState]:
        for name in await self._district_ids(district_id):
            yield await self._states.state(name)

    async def _district_ids(self, asked: str) -> list[str]:
        """Return the districts that are meant; NOT_FOUND for one that is not there."""
        districts = current_caller().districts(asked)
        async with self._storage.read() as connection:
            rows = await list_districts(connection, "", _MOST_DISTRICTS, districts)
        if asked != EVERY_DISTRICT and not rows:
            raise no_district(asked)
        return [row.district_id for row in rows]

    async def _start(self, text: str) -> ResumeToken:
        position = await self._tail.position()
        if not text:
            return ResumeToken(position.store_id, position.value)
        token = read_token(text)
        if token is None:
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_RESUME_TOKEN_INVALID, "not a resume token"
            )
        if token.store_id != position.store_id or token.revision > position.newest:
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_RESUME_TOKEN_FOREIGN,
                "a resume token of another store: list, then watch from the list's token",
            )
        if token.revision < position.pruned:
            raise _expired(position)
        return token


def _expired(position: LogPosition) -> SchoolbellError:
    """Return the error of a watcher that is too far behind, with where it could go on."""
    oldest = ResumeToken(position.store_id, position.pruned)
    return SchoolbellError(
        ErrorReason.ERROR_REASON_RESUME_TOKEN_EXPIRED,
        "the position is too old: list, then watch from the list's token",
        metadata={"oldest_resume_token": write_token(oldest)},
    )
