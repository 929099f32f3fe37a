"""A server that stands still for a while, as one that is swapped out or kept from the processor."""

from __future__ import annotations

import asyncio
import random
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import delivery_pb2
from schoolbell.v1.change_service_pb2 import BatchPublishChangesRequest
from schoolbell.v1.status_service_pb2 import ListDeliveriesRequest
from schoolbell_sandbox.faults import Endpoint
from schoolbell_server.address import Address
from schoolbell_server.config import Config, DeliveryConfig
from tests.end_to_end.process import PATIENCE, Process, killable
from tests.end_to_end.several import SHORT_LEASE, measured
from tests.end_to_end.streaming import (
    DEVICES,
    NO_QUOTAS,
    change_of_its_own,
    populate_for_streaming,
    settle,
    streaming,
)
from tests.service.ports import free_port
from tests.service.sandbox.unread import unread
from tests.service.whole import DISTRICT, whole

STOPS = 3
UNDER_WAY = 40
"""Changes whose pushes are under way when the server stands still."""
ATTEMPT = DeliveryConfig().attempt_timeout.total_seconds()
"""Seconds that an attempt of a server of its own may take."""


def short_lease(config: Config) -> Config:
    return replace(config, delivery=SHORT_LEASE)


async def test_stalls_longer_than_the_lease_strand_nothing(tmp_path: Path) -> None:
    """What a renewal overtakes in the writer's queue is sent, and not looked for a minute later."""
    async with whole(tmp_path, fcm=NO_QUOTAS, adapt=short_lease) as service:
        await populate_for_streaming(service)
        async with killable(service, tmp_path) as server:
            async with streaming(server, random.Random(1)) as streamed:
                for _ in range(STOPS):
                    await streamed.until_acknowledged(len(streamed.acknowledged) + 200)
                    with server.stopped():
                        await asyncio.sleep(SHORT_LEASE.lease.total_seconds() + 1)
            account = await settle(server, streamed, service.sandbox.ledger)
            assert account.lost == 0, account
            assert not [line for line in server.log if "leases given back" in line]
            assert [line for line in server.log if "event loop stood still" in line]
            assert await server.terminate() == 0


async def test_answers_that_arrive_during_a_stall_are_read_and_nothing_is_sent_twice(
    tmp_path: Path,
) -> None:
    """An attempt's time is over when the server goes on, and its answer has been there long."""

    def measured_one(config: Config) -> Config:
        metrics = Address("127.0.0.1", free_port())
        return replace(config, server=replace(config.server, metrics_listen=metrics))

    async with whole(tmp_path, fcm=NO_QUOTAS, adapt=measured_one) as service:
        await populate_for_streaming(service)
        ledger = service.sandbox.ledger
        async with killable(service, tmp_path) as server:
            await _publish(server, 1)
            await _until_accepted(server, DEVICES)  # both connections are open
            apns, fcm = (service.sandbox.listener(one) for one in (Endpoint.APNS, Endpoint.FCM))
            with ExitStack() as stall:
                with unread(apns), unread(fcm):
                    await _publish(server, UNDER_WAY)
                    await _until_in_flight(server, DEVICES * UNDER_WAY)
                    stall.enter_context(server.stopped())
                await asyncio.sleep(ATTEMPT + 1)
            await _until_accepted(server, DEVICES * (UNDER_WAY + 1))
            assert ledger.totals().duplicates == 0
            assert measured(server, "schoolbell_loop_lag_seconds_sum") > ATTEMPT
            assert await server.terminate() == 0


async def _until_in_flight(server: Process, count: int) -> None:
    async with asyncio.timeout(ATTEMPT):
        while measured(server, "schoolbell_in_flight_pushes") < count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _publish(server: Process, count: int) -> None:
    changes = [change_of_its_own(number + 1_000 * (count + 1)) for number in range(count)]
    async with server.client(access.ROLE_PUBLISHER) as publisher:
        await publisher.changes.BatchPublishChanges(
            BatchPublishChangesRequest(district_id=DISTRICT, changes=changes)
        )


async def _until_accepted(server: Process, count: int) -> None:
    request = ListDeliveriesRequest(
        district_id=DISTRICT,
        page_size=1_000,
        filter=delivery_pb2.DeliveryFilter(states=[delivery_pb2.DELIVERY_STATE_ACCEPTED]),
    )
    async with asyncio.timeout(PATIENCE), server.client(access.ROLE_MONITOR) as monitor:
        while len((await monitor.status.ListDeliveries(request)).deliveries) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
