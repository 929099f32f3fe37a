"""A server that acknowledges every change and does nothing else: what gRPC alone can do.

Who watches is told of as many deliveries as there are, at once. Started as a process, with the data
directory whose certificates it uses.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import uvloop

from schoolbell.v1 import change_service_pb2 as messages
from schoolbell.v1.change_service_pb2_grpc import (
    ChangeServiceServicer,
    add_ChangeServiceServicer_to_server,
)
from schoolbell.v1.delivery_pb2 import Delivery
from schoolbell.v1.status_service_pb2 import WatchStatusRequest, WatchStatusResponse
from schoolbell.v1.status_service_pb2_grpc import (
    StatusServiceServicer,
    add_StatusServiceServicer_to_server,
)
from schoolbell_server.security.tls import ServerTls, TlsConfig

_ACK = messages.PublishAck(result=messages.PUBLISH_RESULT_ACCEPTED)
_RESPONSES = 1_000  # of a stream of updates
_DELIVERIES = 100  # of each


class Echo(ChangeServiceServicer):
    """Accepts everything at once."""

    async def PublishChange(  # noqa: N802 - the contract's name
        self, request: messages.PublishChangeRequest, _context: Any
    ) -> messages.PublishChangeResponse:
        """Acknowledge a change."""
        return messages.PublishChangeResponse(ack=_ACK)

    async def StreamPublishChanges(  # noqa: N802
        self, requests: AsyncIterator[messages.StreamPublishChangesRequest], _context: Any
    ) -> AsyncIterator[messages.StreamPublishChangesResponse]:
        """Acknowledge batches as they come."""
        async for request in requests:
            yield messages.StreamPublishChangesResponse(
                batch_number=request.batch_number, acks=[_ACK] * len(request.changes)
            )


class Replay(StatusServiceServicer):
    """Tells of many deliveries, each once."""

    def __init__(self) -> None:
        self._responses = [
            WatchStatusResponse(
                resume_token=str(number),
                deliveries=[_delivery(number * _DELIVERIES + one) for one in range(_DELIVERIES)],
            )
            for number in range(_RESPONSES)
        ]

    async def WatchStatus(  # noqa: N802
        self, request: WatchStatusRequest, _context: Any
    ) -> AsyncIterator[WatchStatusResponse]:
        """Send everything, and then nothing more until the caller leaves."""
        for response in self._responses:
            yield response
        await asyncio.Event().wait()


def _delivery(number: int) -> Delivery:
    found = Delivery(district_id="district", delivery_id=f"delivery-{number:09d}", revision=1)
    found.student_id, found.user_id = f"student-{number % 5_000}", f"guardian-{number % 9_000}"
    found.change_key.source, found.change_key.change_id = "sis", f"score-{number}"
    found.create_time.FromSeconds(1_790_000_000 + number)
    return found


async def serve(data_dir: Path) -> None:
    """Say the port in a line, then serve until killed."""
    server = grpc.aio.server()
    add_ChangeServiceServicer_to_server(Echo(), server)  # type: ignore[abstract]
    add_StatusServiceServicer_to_server(Replay(), server)  # type: ignore[abstract]
    credentials = ServerTls(TlsConfig(), data_dir).credentials()
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
