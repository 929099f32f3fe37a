"""Wait for what a whole service does, by watching it: tests never sleep."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from schoolbell import AsyncClient
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import delivery_pb2
from schoolbell.v1.status_service_pb2 import WATCH_TOPIC_DELIVERIES, WatchStatusRequest
from tests.service.whole import DISTRICT

PATIENCE = 60.0  # seconds, of a slow machine


@dataclass
class Followed:
    """The latest snapshot of every delivery that a watcher was told of."""

    deliveries: dict[str, delivery_pb2.Delivery] = field(default_factory=dict)
    history: list[tuple[str, int]] = field(default_factory=list)
    """(delivery_id, revision) in the order told."""
    token: str = ""
    _told: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, reached: Callable[[list[delivery_pb2.Delivery]], bool]) -> None:
        """Wait until what is known satisfies a test."""
        async with asyncio.timeout(PATIENCE), self._told:
            await self._told.wait_for(lambda: reached(list(self.deliveries.values())))

    async def until_states(
        self, *states: delivery_pb2.DeliveryState.ValueType
    ) -> list[delivery_pb2.Delivery]:
        """Wait until the deliveries stand in exactly these states, and return them."""
        wanted = sorted(states)
        await self.until(lambda found: sorted(one.state for one in found) == wanted)
        return sorted(self.deliveries.values(), key=lambda one: one.create_time.ToNanoseconds())

    async def follow(self, client: AsyncClient, request: WatchStatusRequest) -> None:
        """Take in a watch until cancelled."""
        async for response in client.watch(request):
            async with self._told:
                self.token = response.resume_token
                for delivery in response.deliveries:
                    self.history.append((delivery.delivery_id, delivery.revision))
                    known = self.deliveries.get(delivery.delivery_id)
                    if known is None or delivery.revision > known.revision:
                        self.deliveries[delivery.delivery_id] = delivery
                self._told.notify_all()

    async def begun(self) -> None:
        """Wait until the watch has its first position."""
        async with asyncio.timeout(PATIENCE), self._told:
            await self._told.wait_for(lambda: bool(self.token))


class Serving(Protocol):
    """A service that gives clients."""

    def client(self, role: access.Role.ValueType) -> AbstractAsyncContextManager[AsyncClient]:
        """Open a client of a role."""


@asynccontextmanager
async def following(
    service: Serving, resume_token: str = "", topics: list[int] | None = None
) -> AsyncIterator[Followed]:
    """Watch a service's deliveries while the block runs, from its first line on."""
    followed = Followed()
    request = WatchStatusRequest(
        district_id=DISTRICT,
        resume_token=resume_token,
        topics=topics or [WATCH_TOPIC_DELIVERIES],  # type: ignore[arg-type]
    )
    async with service.client(access.ROLE_MONITOR) as client:
        task = asyncio.create_task(followed.follow(client, request))
        try:
            await followed.begun()
            yield followed
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
