"""The load generator: a process that takes a job as JSON on stdin and answers on stdout.

It uses the generated stubs alone, so that it costs as little as a client can.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import grpc.aio
import uvloop

from benchmarks.changes import absences, grades, school_day
from benchmarks.results import percentile
from schoolbell import Connection
from schoolbell.v1 import change_service_pb2 as messages
from schoolbell.v1 import device_service_pb2, status_service_pb2
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.change_service_pb2_grpc import ChangeServiceStub
from schoolbell.v1.device_service_pb2_grpc import DeviceServiceStub
from schoolbell.v1.status_service_pb2_grpc import StatusServiceStub
from schoolbell_server.demo.stage import DISTRICT

Job = Mapping[str, Any]
_WINDOW = 16  # unanswered messages of a stream, as many as the server reads


async def stream(job: Job, channel: grpc.aio.Channel) -> dict[str, Any]:
    """Publish batches on one stream for some seconds, or so many changes, and wait for all acks."""
    call = _Stream(job, ChangeServiceStub(channel))
    began, cpu = time.perf_counter(), time.process_time()
    async for response in call.stub.StreamPublishChanges(call.requests(), metadata=_metadata(job)):
        call.take(response)
    took = time.perf_counter() - began
    return {
        "changes": call.answered,
        "results": {messages.PublishResult.Name(key): n for key, n in call.results.items()},
        "seconds": took,
        "cpu": time.process_time() - cpu,
        "p50": percentile(call.latencies, 0.5),
        "p99": percentile(call.latencies, 0.99),
    }


class _Stream:
    """The requests of a stream, and its answers."""

    def __init__(self, job: Job, stub: Any) -> None:
        self.stub = stub
        self._job = job
        self._changes = _changes(job)
        self._room = asyncio.Semaphore(_WINDOW)
        self._sent: list[float] = []
        self.answered = 0
        self.results: Counter[messages.PublishResult.ValueType] = Counter()
        self.latencies: list[float] = []

    async def requests(self) -> AsyncIterator[messages.StreamPublishChangesRequest]:
        """Yield batches, no more of them unanswered than the server reads."""
        end = time.perf_counter() + self._job.get("seconds", float("inf"))
        left = self._job.get("changes", sys.maxsize)
        while left > 0 and time.perf_counter() < end:
            await self._room.acquire()
            batch = list(islice(self._changes, min(left, self._job["batch"])))
            left -= len(batch)
            self._sent.append(time.perf_counter())
            yield messages.StreamPublishChangesRequest(
                district_id=DISTRICT, batch_number=len(self._sent) - 1, changes=batch
            )

    def take(self, response: messages.StreamPublishChangesResponse) -> None:
        """Count the acks of a batch."""
        self._room.release()
        self.latencies.append(time.perf_counter() - self._sent[response.batch_number])
        self.answered += len(response.acks)
        self.results.update(ack.result for ack in response.acks)


async def unary(job: Job, channel: grpc.aio.Channel) -> dict[str, Any]:
    """Publish single changes, so many at once, each with a pause, for some seconds."""
    stub, changes, metadata = ChangeServiceStub(channel), _changes(job), _metadata(job)
    latencies: list[float] = []
    began, cpu = time.perf_counter(), time.process_time()
    end = began + job["seconds"]

    async def one_after_the_other() -> None:
        while (start := time.perf_counter()) < end:
            request = messages.PublishChangeRequest(district_id=DISTRICT, change=next(changes))
            await stub.PublishChange(request, metadata=metadata)
            latencies.append(time.perf_counter() - start)
            await asyncio.sleep(job.get("pause", 0.0))

    await asyncio.gather(*(one_after_the_other() for _ in range(job["at_once"])))
    return {
        "changes": len(latencies),
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "p50": percentile(latencies, 0.5),
        "p99": percentile(latencies, 0.99),
    }


async def paced(job: Job, channel: grpc.aio.Channel) -> dict[str, Any]:
    """Publish single changes at a rate, whatever the answers take, for some seconds."""
    stub, changes, metadata = ChangeServiceStub(channel), _changes(job), _metadata(job)
    began = time.perf_counter()
    calls = []
    for number in range(int(job["seconds"] * job["rate"])):
        await asyncio.sleep(max(0.0, began + number / job["rate"] - time.perf_counter()))
        request = messages.PublishChangeRequest(district_id=DISTRICT, change=next(changes))
        calls.append(stub.PublishChange(request, metadata=metadata))
    for call in calls:
        await call
    return {"changes": len(calls), "seconds": time.perf_counter() - began}


async def watch(job: Job, channel: grpc.aio.Channel) -> dict[str, Any]:
    """Watch with so many watchers until each has seen so many updates; say when all listen."""
    stub, metadata = StatusServiceStub(channel), _metadata(job)
    topics = [
        status_service_pb2.WATCH_TOPIC_DELIVERIES,
        status_service_pb2.WATCH_TOPIC_CHANGES,
    ]
    request = status_service_pb2.WatchStatusRequest(district_id=DISTRICT, topics=topics)
    listening = asyncio.Barrier(job["watchers"] + 1)

    async def one() -> int:
        seen, first = 0, True
        async for response in stub.WatchStatus(request, metadata=metadata):
            seen += len(response.deliveries) + len(response.changes)
            if first:
                first = False
                await listening.wait()
            if seen >= job["updates"]:
                return seen
        return seen

    watchers = [asyncio.create_task(one()) for _ in range(job["watchers"])]
    await listening.wait()
    print("listening", flush=True)
    cpu = time.process_time()
    seen = sum([await watcher for watcher in watchers])
    return {"updates": seen, "end": time.time(), "cpu": time.process_time() - cpu}


async def phones(job: Job, channel: grpc.aio.Channel) -> dict[str, Any]:
    """Fetch what each delivery tells, report that it was shown, or both, so many at once.

    `deliveries` are (delivery_id, user_id); `fetch` and `report` say what is done.
    """
    stub, metadata = DeviceServiceStub(channel), _metadata(job)
    left = iter(job["deliveries"])

    async def one_phone() -> None:
        for delivery_id, user_id in left:
            own = {"district_id": DISTRICT, "user_id": user_id}
            if job["fetch"]:
                asked = device_service_pb2.GetNotificationRequest(**own, delivery_id=delivery_id)
                await stub.GetNotification(asked, metadata=metadata)
            if job["report"]:
                told = device_service_pb2.ReportReceiptsRequest(**own)
                receipt = told.receipts.add(delivery_id=delivery_id)
                receipt.event = device_service_pb2.RECEIPT_EVENT_DISPLAYED
                receipt.event_time.GetCurrentTime()
                (result,) = (await stub.ReportReceipts(told, metadata=metadata)).results
                if result.HasField("error"):
                    raise RuntimeError(f"a receipt was refused: {result.error}")

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one_phone() for _ in range(job["at_once"])))
    return {
        "deliveries": len(job["deliveries"]),
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
    }


_JOBS: Mapping[str, Callable[[Job, grpc.aio.Channel], Awaitable[dict[str, Any]]]] = {
    "stream": stream,
    "unary": unary,
    "paced": paced,
    "watch": watch,
    "phones": phones,
}


def _changes(job: Job) -> Iterator[Change]:
    today = dt.date.fromisoformat(job["today"]) if "today" in job else dt.date.min
    if job.get("of") == "a school day":
        return school_day(job["name"], today)
    if "today" in job:
        return absences(job["students"], job["name"], today)
    return grades(job["students"], job["name"])


def _metadata(job: Job) -> tuple[tuple[str, str], ...]:
    return Connection(key=job["key"]).metadata()


async def run(job: Job) -> dict[str, Any]:
    """Do a job on a channel of its own."""
    target = f"localhost:{job['port']}"
    channel = Connection(target=target, ca=job["ca"].encode()).aio_channel()
    async with channel:
        await channel.channel_ready()
        return await _JOBS[job["kind"]](job, channel)


def main() -> None:
    """Read a job, do it, answer."""
    print(json.dumps(uvloop.run(run(json.load(sys.stdin)))))


if __name__ == "__main__":
    main()
