"""The client's publisher, against a server that breaks its streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from schoolbell import AsyncClient, Connection
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.change_service_pb2 import (
    PUBLISH_RESULT_ACCEPTED,
    PublishAck,
    StreamPublishChangesRequest,
    StreamPublishChangesResponse,
)
from schoolbell.v1.change_service_pb2_grpc import (
    ChangeServiceServicer,
    add_ChangeServiceServicer_to_server,
)

PATIENCE = 30.0  # seconds


class Breaking(ChangeServiceServicer):
    """Accepts what it is sent; its first stream breaks after an answer, once it is told to."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self.code = code
        self.accepted: list[str] = []
        self.streams = 0
        self.broken, self.repaired = asyncio.Event(), asyncio.Event()

    async def StreamPublishChanges(
        self, requests: AsyncIterator[StreamPublishChangesRequest], context: Any
    ) -> AsyncIterator[StreamPublishChangesResponse]:
        self.streams += 1
        first = self.streams == 1
        if not first:
            self.repaired.set()
        async for request in requests:
            self.accepted += [change.key.change_id for change in request.changes]
            yield StreamPublishChangesResponse(
                batch_number=request.batch_number,
                acks=[PublishAck(result=PUBLISH_RESULT_ACCEPTED)] * len(request.changes),
            )
            if first:
                await self.broken.wait()
                await context.abort(self.code, "broken")


@asynccontextmanager
async def breaking(code: grpc.StatusCode) -> AsyncIterator[tuple[Breaking, AsyncClient]]:
    server = grpc.aio.server()
    service = Breaking(code)  # type: ignore[abstract] # the one method that a publisher calls
    add_ChangeServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with AsyncClient(Connection(target=f"127.0.0.1:{port}", plaintext=True)) as client:
            yield service, client
    finally:
        await server.stop(None)


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,  # by a server that stops
    ],
    ids=lambda code: code.name,
)
async def test_every_change_is_answered_for_itself_across_a_break(code: grpc.StatusCode) -> None:
    """A broken stream, idle at its end, takes nothing more from the one that follows."""
    async with (
        asyncio.timeout(PATIENCE),
        breaking(code) as (service, client),
        client.publisher("maple") as publisher,
    ):
        await publisher.publish(_change("before"))
        service.broken.set()
        await service.repaired.wait()
        acks = await asyncio.gather(*(publisher.publish(_change(f"c{n}")) for n in range(250)))
    assert [ack.result for ack in acks] == [PUBLISH_RESULT_ACCEPTED] * 250
    assert [name for name in service.accepted if name[0] == "c"] == [f"c{n}" for n in range(250)]


def _change(change_id: str) -> Change:
    change = Change()
    change.key.source, change.key.change_id = "sis", change_id
    return change
