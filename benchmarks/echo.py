"""A server that acknowledges every change and does nothing else: what gRPC alone can do.

Started as a process, with the data directory whose certificates it uses.
"""

from __future__ import annotations

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
from schoolbell_server.security.tls import ServerTls, TlsConfig

_ACK = messages.PublishAck(result=messages.PUBLISH_RESULT_ACCEPTED)


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


async def serve(data_dir: Path) -> None:
    """Say the port in a line, then serve until killed."""
    server = grpc.aio.server()
    add_ChangeServiceServicer_to_server(Echo(), server)  # type: ignore[abstract]
    credentials = ServerTls(TlsConfig(), data_dir).credentials()
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
