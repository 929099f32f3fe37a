"""What ends the publisher of the Python client reaches everybody who waits for an answer."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from schoolbell import AsyncClient, Connection, InvalidKeyError
from schoolbell.errors import PermissionDenied, ServiceFault
from schoolbell.publisher import AsyncPublisher
from schoolbell.v1.change_service_pb2 import (
    PUBLISH_RESULT_REFUSED,
    PublishAck,
    StreamPublishChangesRequest,
    StreamPublishChangesResponse,
)
from schoolbell.v1.change_service_pb2_grpc import (
    ChangeServiceServicer,
    add_ChangeServiceServicer_to_server,
)
from tests.service.scores import scored

_NOW = dt.datetime(2026, 11, 24, 13, 40, tzinfo=dt.UTC)
_PATIENCE = 30.0  # seconds


def _signed_out() -> str:
    raise LookupError("signed out")


def _two_lines() -> str:
    return "two\nlines"


@pytest.mark.parametrize(
    ("source", "fault"), [(_signed_out, LookupError), (_two_lines, InvalidKeyError)]
)
async def test_what_a_token_source_raises(
    source: Callable[[], str], fault: type[Exception]
) -> None:
    connection = Connection(target="127.0.0.1:9", token_source=source)
    async with _ended_by(fault, connection) as publisher:
        answer = await publisher.submit(scored(_NOW).change)
        with pytest.raises(fault):
            await answer
        with pytest.raises(fault):
            await publisher.submit(scored(_NOW).change)


async def test_who_looks_at_no_answer_is_told_at_the_end_and_nothing_is_logged() -> None:
    logged: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
    connection = Connection(target="127.0.0.1:9", token_source=_signed_out)
    async with _ended_by(LookupError, connection) as publisher:
        for _ in range(3):
            await publisher.submit(scored(_NOW).change)
    gc.collect()
    assert not logged, "such as: Future exception was never retrieved"


class _Full(ChangeServiceServicer):
    """Is too full for every change, and then lets nobody publish any more."""

    async def StreamPublishChanges(
        self, requests: AsyncIterator[StreamPublishChangesRequest], context: Any
    ) -> AsyncIterator[StreamPublishChangesResponse]:
        async for request in requests:
            ack = PublishAck(result=PUBLISH_RESULT_REFUSED)
            ack.error.code = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
            yield StreamPublishChangesResponse(acks=[ack] * len(request.changes))
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no more")


class _Miscounting(ChangeServiceServicer):
    """Answers each batch with one answer too few, or too many."""

    def __init__(self, extra: int) -> None:
        self._extra = extra

    async def StreamPublishChanges(
        self, requests: AsyncIterator[StreamPublishChangesRequest], context: Any
    ) -> AsyncIterator[StreamPublishChangesResponse]:
        async for request in requests:
            acks = [PublishAck()] * (len(request.changes) + self._extra)
            yield StreamPublishChangesResponse(acks=acks)


@asynccontextmanager
async def _ended_by(
    fault: type[Exception], connection: Connection
) -> AsyncIterator[AsyncPublisher]:
    """Publish, and expect the fault also at the end of the publisher's own block."""
    with pytest.raises(fault):
        async with (
            asyncio.timeout(_PATIENCE),
            AsyncClient(connection) as client,
            client.publisher("d") as publisher,
        ):
            yield publisher


@asynccontextmanager
async def _publishing(
    service: ChangeServiceServicer, fault: type[Exception]
) -> AsyncIterator[AsyncPublisher]:
    server = grpc.aio.server()
    add_ChangeServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    connection = Connection(target=f"127.0.0.1:{port}", plaintext=True)
    try:
        async with _ended_by(fault, connection) as publisher:
            yield publisher
    finally:
        await server.stop(None)


async def test_a_change_that_was_to_be_sent_again_later() -> None:
    service = _Full()  # type: ignore[abstract] # the one method that a publisher calls
    async with _publishing(service, PermissionDenied) as publisher:
        with pytest.raises(PermissionDenied):
            await publisher.publish(scored(_NOW).change)


@pytest.mark.parametrize("extra", [-1, 1])
async def test_answers_that_are_too_few_or_too_many(extra: int) -> None:
    service = _Miscounting(extra)  # type: ignore[abstract] # see above
    async with _publishing(service, ServiceFault) as publisher:
        answers = [await publisher.submit(scored(_NOW).change) for _ in range(3)]
        for answer in answers:
            with pytest.raises(ServiceFault):
                await answer
