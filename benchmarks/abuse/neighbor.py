"""The neighbor: a publisher who sends one change after the other while somebody else attacks.

A process that takes a job as JSON on stdin and answers on stdout.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
import uuid
from collections.abc import Mapping
from typing import Any

import grpc.aio
import uvloop

from benchmarks.changes import grades
from benchmarks.results import percentile
from schoolbell import Connection
from schoolbell.v1 import change_service_pb2 as messages
from schoolbell.v1.change_service_pb2_grpc import ChangeServiceStub
from schoolbell_server.demo.stage import DISTRICT

_PAUSE = 0.02  # seconds
_DEADLINE = 10.0  # seconds
Job = Mapping[str, Any]


async def publish(job: Job) -> dict[str, float]:
    """Publish for some seconds, or until SIGTERM.

    Return how long answers took (seconds) and how many failed.
    """
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    took: list[float] = []
    failed, end = 0, time.monotonic() + job["seconds"]
    connection = Connection(target=f"localhost:{job['port']}", ca=job["ca"].encode())
    metadata = Connection(key=job["neighbor"]).metadata()
    changes = grades(job["students"], f"neighbor {uuid.uuid4()}")
    async with connection.aio_channel() as channel:
        stub: Any = ChangeServiceStub(channel)
        while time.monotonic() < end and not stopped.is_set():
            request = messages.PublishChangeRequest(district_id=DISTRICT, change=next(changes))
            start = time.monotonic()
            try:
                await stub.PublishChange(request, metadata=metadata, timeout=_DEADLINE)
            except grpc.aio.AioRpcError:
                failed += 1
            took.append(time.monotonic() - start)
            await asyncio.sleep(_PAUSE)
    return {
        "p50": percentile(took, 0.5),
        "p95": percentile(took, 0.95),
        "worst": max(took),
        "calls": len(took),
        "failed": failed,
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(publish(json.load(sys.stdin)))))
