"""A publisher that streams while things break, and the account of what became of it all."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from schoolbell import AsyncClient
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import delivery_pb2
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.change_service_pb2 import (
    PUBLISH_RESULT_ACCEPTED,
    PUBLISH_RESULT_DUPLICATE,
    ListChangesRequest,
    PublishAck,
)
from schoolbell.v1.delivery_pb2 import DeliveryFilter
from schoolbell.v1.status_service_pb2 import GetTalliesRequest, ListDeliveriesRequest
from schoolbell_sandbox.fcm import FcmSettings
from schoolbell_sandbox.fcm_quotas import FcmQuotaSettings
from schoolbell_sandbox.ledger import Ledger
from tests.service.following import Serving
from tests.service.paging import pages
from tests.service.scene import MOTHER, STUDENT, lunch, phone, populate, register, tasks
from tests.service.whole import DISTRICT, Whole

DEVICES = 2
"""Told of every change."""
_BURST = 80
_PAUSE = 0.2  # seconds, at most, between two bursts
_WINDOW = 200  # unanswered changes
_MOST = 1_000_000  # changes of one client
_PATIENCE = 180.0  # seconds without any progress
_PAGE = 1_000
_WAITING = (
    delivery_pb2.DELIVERY_STATE_PENDING,
    delivery_pb2.DELIVERY_STATE_HELD,
    delivery_pb2.DELIVERY_STATE_SENDING,
)


NO_QUOTAS = FcmSettings(
    quotas=FcmQuotaSettings(project=None, device_minute=None, device_hour=None, collapsible=None)
)
"""One phone is told what a whole district would be."""


async def populate_for_streaming(service: Whole) -> None:
    """Set the scene: a student's and a guardian's phone, one at each provider."""
    await populate(service)
    await register(service, phone(STUDENT), phone(MOTHER, ios=False))


@dataclass
class Streamed:
    """What was published, and how it was answered."""

    random: random.Random
    answers: Counter[int] = field(default_factory=Counter)
    acknowledged: set[str] = field(default_factory=set)
    _stopping: bool = False
    _answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def next_answer(self) -> None:
        """Wait until one more change is answered."""
        self._answered.clear()
        async with asyncio.timeout(_PATIENCE):
            await self._answered.wait()

    async def until_acknowledged(self, count: int) -> None:
        """Wait until so many changes are acknowledged."""
        while len(self.acknowledged) < count:
            await self.next_answer()

    async def publish(self, client: AsyncClient, number: int) -> None:
        """Publish in bursts, each change about a fact of its own, until told to stop."""
        waiting: deque[tuple[str, asyncio.Future[PublishAck]]] = deque()
        async with client.publisher(DISTRICT) as publisher:
            while not self._stopping:
                for _ in range(self.random.randint(1, _BURST)):
                    number += 1
                    change = change_of_its_own(number)
                    waiting.append((change.key.change_id, await publisher.submit(change)))
                    while len(waiting) > _WINDOW or (waiting and waiting[0][1].done()):
                        await self._take(*waiting.popleft())
                await asyncio.sleep(self.random.uniform(0, _PAUSE))
            for one in waiting:
                await self._take(*one)

    async def _take(self, change_id: str, answer: asyncio.Future[PublishAck]) -> None:
        result = (await answer).result
        self.answers[result] += 1
        if result in (PUBLISH_RESULT_ACCEPTED, PUBLISH_RESULT_DUPLICATE):
            self.acknowledged.add(change_id)
        self._answered.set()

    def stop(self) -> None:
        """Publish nothing further."""
        self._stopping = True


@asynccontextmanager
async def streaming(serving: Serving, chance: random.Random) -> AsyncIterator[Streamed]:
    """Publish while the block runs; after it everything is answered."""
    async with (
        serving.client(access.ROLE_PUBLISHER) as client,
        streaming_through([client], chance) as streamed,
    ):
        yield streamed


@asynccontextmanager
async def streaming_through(
    clients: Sequence[AsyncClient], chance: random.Random
) -> AsyncIterator[Streamed]:
    """Publish through every client while the block runs; after it everything is answered."""
    streamed = Streamed(random.Random(chance.random()))
    publishing = asyncio.gather(
        *(streamed.publish(client, _MOST * place) for place, client in enumerate(clients))
    )
    try:
        yield streamed
        streamed.stop()
        await asyncio.wait_for(publishing, _PATIENCE)
    finally:
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What became of what was acknowledged."""

    acknowledged: int
    deliveries: int
    lost_changes: int
    """Acknowledged, but not stored and decided with all their deliveries."""
    lost_deliveries: int
    """Not accepted by the provider, or not known here to be."""
    duplicates: int
    """Accepted by a provider beyond the first time."""

    @property
    def lost(self) -> int:
        """Everything that is missing."""
        return self.lost_changes + self.lost_deliveries


async def settle(serving: Serving, streamed: Streamed, ledger: Ledger) -> Account:
    """Wait until nothing waits any more, and count."""
    async with (
        serving.client(access.ROLE_MONITOR) as monitor,
        serving.client(access.ROLE_PUBLISHER) as publisher,
    ):
        await _nothing_waits(monitor, ledger)
        stored = [change_id async for change_id in _decided(publisher)]
        deliveries = [one async for one in _deliveries(monitor)]
    sent = [
        one
        for one in deliveries
        if one.state == delivery_pb2.DELIVERY_STATE_ACCEPTED and ledger.count(one.delivery_id)
    ]
    per_change = Counter(one.change_key.change_id for one in sent)
    assert len(stored) == len(set(stored)), "a change is stored once"
    return Account(
        acknowledged=len(streamed.acknowledged),
        deliveries=len(deliveries),
        lost_changes=len(streamed.acknowledged - set(stored)),
        lost_deliveries=sum(DEVICES - per_change[change_id] for change_id in stored),
        duplicates=ledger.totals().duplicates,
    )


async def _nothing_waits(monitor: AsyncClient, ledger: Ledger) -> None:
    """Wait as long as anything moves; fail where something waits and nothing does.

    Phones may all have been told long before the last outcome is written.
    """
    request = ListDeliveriesRequest(
        district_id=DISTRICT, page_size=1, filter=DeliveryFilter(states=_WAITING)
    )
    seen = None
    while seen != (now := await _progress(monitor, ledger)):
        seen = now
        async with asyncio.timeout(_PATIENCE):
            while (await monitor.status.ListDeliveries(request)).deliveries:
                await asyncio.sleep(0.5)
                if seen != await _progress(monitor, ledger):
                    break


async def _progress(monitor: AsyncClient, ledger: Ledger) -> tuple[int, Counter[int]]:
    """Return how often phones were told, and how many deliveries there are by their state."""
    found = await monitor.status.GetTallies(GetTalliesRequest(district_id=DISTRICT))
    states = Counter[int]()
    for tally in found.tallies:
        states.update({one.state: one.count for one in tally.deliveries})
    return ledger.totals().accepted, states


async def _decided(publisher: AsyncClient) -> AsyncIterator[str]:
    """Yield the changes that are stored with all their deliveries."""
    request = ListChangesRequest(district_id=DISTRICT, page_size=_PAGE)
    async for page in pages(publisher.changes.ListChanges, request):
        for record in page.records:
            if record.delivery_count == DEVICES:
                yield record.change.key.change_id


async def _deliveries(monitor: AsyncClient) -> AsyncIterator[delivery_pb2.Delivery]:
    request = ListDeliveriesRequest(district_id=DISTRICT, page_size=_PAGE)
    async for page in pages(monitor.status.ListDeliveries, request):
        for delivery in page.deliveries:
            yield delivery


def change_of_its_own(number: int) -> Change:
    """Return a change of a fact of its own, so that none supersedes another."""
    if number % 2:
        one = lunch(f"l{number}", number % 100)
        one.lunch_balance.account_id = f"account {number}"
    else:
        (one,) = tasks(number, 1)
    return one
