"""A backlog beyond its limit holds publishers up, but nobody by what leaves after their changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from schoolbell import AsyncClient
from schoolbell.errors import ResourceExhausted
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import delivery_pb2
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.change_service_pb2 import (
    PUBLISH_RESULT_ACCEPTED,
    BatchPublishChangesRequest,
    StreamPublishChangesRequest,
)
from schoolbell.v1.status_service_pb2 import CancelDeliveriesRequest
from schoolbell_server.config import Config
from tests.programs import PATIENCE
from tests.service.held import hold_grades
from tests.service.scene import (
    MOTHER,
    STUDENT,
    absence,
    phone,
    populate,
    publish,
    register,
    tasks,
)
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import databases

LEAST_LIMIT = 1_000  # deliveries


def limited(config: Config) -> Config:
    return replace(config, limits=replace(config.limits, backlog=LEAST_LIMIT))


async def fill(service: Whole) -> None:
    """Let grades wait, two deliveries each, until one more is refused."""
    await hold_grades(service)
    await register(service, phone(STUDENT), phone(MOTHER))
    async with service.client(access.ROLE_PUBLISHER) as publisher:
        for changes in (tasks(0, 300), tasks(300, LEAST_LIMIT // 2 - 299)):
            await publisher.changes.BatchPublishChanges(
                BatchPublishChangesRequest(district_id=DISTRICT, changes=changes)
            )
    async with asyncio.timeout(PATIENCE):
        number = LEAST_LIMIT
        while await accepted(service, *tasks(number, 1)):
            number += 1


async def accepted(service: Whole, change: Change) -> bool:
    """Publish; return False where the backlog is full, as it must be said."""
    try:
        await publish(service, change)
    except ResourceExhausted as error:
        refused = error
    else:
        return True
    assert refused.reason == "BACKLOG_FULL"
    assert refused.retry_after
    return False


async def stream(client: AsyncClient, change: Change) -> int:
    """Publish on a stream of its own and return the result."""

    async def requests() -> AsyncIterator[StreamPublishChangesRequest]:
        yield StreamPublishChangesRequest(district_id=DISTRICT, batch_number=1, changes=[change])

    async for response in client.changes.StreamPublishChanges(requests()):
        return response.acks[0].result
    pytest.fail("the stream ended without an answer")


@databases()
async def test_grades_that_wait_hold_up_grades_and_no_attendance(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database, adapt=limited) as service:
        await populate(service)
        await fill(service)
        assert await accepted(service, absence("a1"))
        async with service.client(access.ROLE_PUBLISHER) as publisher:
            held_up = asyncio.create_task(stream(publisher, *tasks(-1, 1)))
            async with asyncio.timeout(PATIENCE):
                assert await stream(publisher, absence("a2")) == PUBLISH_RESULT_ACCEPTED
            assert not await accepted(service, *tasks(-2, 1))
            assert not held_up.done(), "a stream is not refused: it is read no further"
            await _cancel_everything(service)
            async with asyncio.timeout(PATIENCE):
                assert await held_up == PUBLISH_RESULT_ACCEPTED


async def _cancel_everything(service: Whole) -> None:
    async with service.client(access.ROLE_ADMINISTRATOR) as administrator:
        await administrator.status.CancelDeliveries(
            CancelDeliveriesRequest(
                district_id=DISTRICT,
                filter=delivery_pb2.DeliveryFilter(user_ids=[STUDENT, MOTHER]),
                comment="the posting was a mistake",
            )
        )
