"""Follow a district for ever: resume after a break, and list where the token has expired."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schoolbell.backoff import Backoff
from schoolbell.errors import SchoolbellError, Unavailable
from schoolbell.v1.change_pb2 import ChangeSummary
from schoolbell.v1.delivery_pb2 import Delivery
from schoolbell.v1.status_pb2 import ServiceState
from schoolbell.v1.status_service_pb2 import (
    WATCH_TOPIC_DELIVERIES,
    ListDeliveriesRequest,
    WatchStatusRequest,
)

if TYPE_CHECKING:
    from schoolbell.client import AsyncClient

_PAGE = 500
_REMEMBERED = 100_000  # deliveries
_FOREIGN = "RESUME_TOKEN_FOREIGN"
_GONE = ("RESUME_TOKEN_EXPIRED", _FOREIGN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What a watcher hands over."""

    states: list[ServiceState] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    """Each is newer than any before it."""
    changes: list[ChangeSummary] = field(default_factory=list)
    resume_token: str = ""
    """Store it once the update is dealt with; empty within a list."""
    listed: bool = False
    """The token had expired, and this is what there is; a monitor cannot list changes."""


class AsyncWatcher:
    """Yields updates for ever; use as `async for`, on one task.

    Raises the typed error of anything but a break, such as `Unauthenticated`.
    """

    def __init__(self, client: AsyncClient, request: WatchStatusRequest) -> None:
        """Begin at the request's resume token; without one, now."""
        self._client = client
        self._request = WatchStatusRequest()
        self._request.CopyFrom(request)
        self._seen: OrderedDict[str, int] = OrderedDict()
        self.lists = 0
        """How often it had to list."""

    async def __aiter__(self) -> AsyncIterator[Update]:
        while True:
            try:
                async with aclosing(self._watched()) as watched:
                    async for update in watched:
                        yield update
            except SchoolbellError as error:
                if error.reason not in _GONE:
                    raise
                if error.reason == _FOREIGN:  # a restored store counts anew
                    self._seen.clear()
            self.lists += 1
            async with aclosing(self._listed()) as listed:
                async for update in listed:
                    yield update

    async def _watched(self) -> AsyncGenerator[Update, None]:
        async with aclosing(self._client.watch(self._request)) as responses:  # type: ignore[type-var]
            async for response in responses:
                yield Update(
                    states=list(response.states),
                    deliveries=self._newer(response.deliveries),
                    changes=list(response.changes),
                    resume_token=response.resume_token,
                )
                self._request.resume_token = response.resume_token

    async def _listed(self) -> AsyncGenerator[Update, None]:
        """Yield the deliveries that there are, and stand behind them."""
        request = ListDeliveriesRequest(
            district_id=self._request.district_id,
            filter=self._request.delivery_filter,
            page_size=_PAGE,
        )
        topics = self._request.topics
        wanted = not topics or WATCH_TOPIC_DELIVERIES in topics
        backoff = Backoff()
        while True:
            try:
                page = await self._client.status.ListDeliveries(request)
            except Unavailable:  # tried again already: the service is away
                await backoff.pause()
                continue
            request.page_token = page.next_page_token if wanted else ""
            last = not request.page_token
            yield Update(
                deliveries=self._newer(page.deliveries) if wanted else [],
                resume_token=page.resume_token if last else "",
                listed=True,
            )
            if last:
                self._request.resume_token = page.resume_token
                return

    def _newer(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        """Return those that are newer than what was handed over, and remember them."""
        found = []
        for delivery in deliveries:
            known = f"{delivery.district_id}/{delivery.delivery_id}"
            if delivery.revision > self._seen.get(known, 0):
                self._seen[known] = delivery.revision
                found.append(delivery)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return found
