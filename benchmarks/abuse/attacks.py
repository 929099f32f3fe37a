"""The attacks, each for so many seconds: a process that takes a job as JSON on stdin.

Each says in a word what it got through, which is printed beside what it cost the others.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import sys
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import Any

import grpc
import grpc.aio
import uvloop

from benchmarks.abuse.wire import wire
from benchmarks.changes import grades
from schoolbell import Connection
from schoolbell.v1 import change_service_pb2, status_service_pb2
from schoolbell_server.demo.stage import DISTRICT

Job = Mapping[str, Any]
_PUBLISH = "/schoolbell.v1.ChangeService/PublishChange"
_BATCH = "/schoolbell.v1.ChangeService/BatchPublishChanges"
_STREAM = "/schoolbell.v1.ChangeService/StreamPublishChanges"
_LIST = "/schoolbell.v1.ChangeService/ListChanges"
_GET = "/schoolbell.v1.SettingsService/GetSettings"
_HEALTH = "/grpc.health.v1.Health/Check"
_WATCH_HEALTH = "/grpc.health.v1.Health/Watch"
_WATCH = "/schoolbell.v1.StatusService/WatchStatus"
_REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"


async def health_streams(job: Job) -> str:
    """Open 2,100 health watches on one connection."""
    return await _streams(job, _WATCH_HEALTH, 2_100, b"")


async def reflection_streams(job: Job) -> str:
    """Open 2,100 reflection streams on one connection."""
    return await _streams(job, _REFLECT, 2_100, None)


async def status_streams(job: Job) -> str:
    """Open 2,000 status streams with one key on one connection."""
    request = status_service_pb2.WatchStatusRequest(district_id=DISTRICT)
    return await _streams(job, _WATCH, 2_000, request.SerializeToString(), key=job["monitor"])


async def keyless_bodies(job: Job) -> str:
    """Send unary bodies of 4 MiB, never ended, from five connections without a key."""
    return await _bodies(job, _PUBLISH)


async def health_bodies(job: Job) -> str:
    """Send such bodies to a call that needs no key."""
    return await _bodies(job, _HEALTH)


async def reflection_bodies(job: Job) -> str:
    """Send such bodies to a stream that needs no key."""
    return await _bodies(job, _REFLECT)


async def stolen_bodies(job: Job) -> str:
    """Send such bodies to unary calls with the key of a publisher."""
    return await _bodies(job, _BATCH, job["publisher"])


async def stolen_streams(job: Job) -> str:
    """Send such bodies to streams of changes with the key of a publisher."""
    return await _bodies(job, _STREAM, job["publisher"])


async def header_streams(job: Job) -> str:
    """Open 10,000 streams of headers alone, without a key, over forty connections."""
    end, opened = time.monotonic() + job["seconds"], 0
    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(wire(job["port"], job["ca"])) for _ in range(40)]
        for one in wires:
            for number in range(250):
                one.open(_HEALTH if number % 2 else _GET)
                opened += 1
            await one.flush()
        await asyncio.sleep(max(0.0, end - time.monotonic()))
        left = opened - sum(len(one.ended) for one in wires)
    return f"{opened} opened, {left} still open"


async def rapid_resets(job: Job) -> str:
    """Open streams and take them back at once, as fast as one connection can."""
    end, resets, connections = time.monotonic() + job["seconds"], 0, 0
    while time.monotonic() < end:
        connections += 1
        async with wire(job["port"], job["ca"]) as one:
            while time.monotonic() < end and not one.closed:
                for _ in range(100):
                    one.reset(one.open(_GET))
                resets += 100
                await one.flush()
                await asyncio.sleep(0)
    return f"{resets / job['seconds']:,.0f} a second, {connections - 1} connections cut"


async def handshakes(job: Job) -> str:
    """Connect, shake hands and go, sixteen at once."""
    end, count = time.monotonic() + job["seconds"], 0

    async def one() -> None:
        nonlocal count
        while time.monotonic() < end:
            async with wire(job["port"], job["ca"]):
                count += 1

    await asyncio.gather(*(one() for _ in range(16)))
    return f"{count / job['seconds']:,.0f} a second"


async def half_open_tls(job: Job) -> str:
    """Open 1,200 sockets and say nothing."""
    end, refused, late = time.monotonic() + job["seconds"], 0, 0
    with ExitStack() as stack:
        for _ in range(1_200):
            one = stack.enter_context(socket.socket())
            one.settimeout(2)
            try:
                one.connect(("127.0.0.1", job["port"]))
            except OSError:
                refused += 1
        while time.monotonic() < end:
            began = time.monotonic()
            connection = Connection(target=f"localhost:{job['port']}", ca=job["ca"].encode())
            options = (("grpc.use_local_subchannel_pool", 1),)
            credentials = grpc.ssl_channel_credentials(connection.ca)
            async with grpc.aio.secure_channel(connection.target, credentials, options) as channel:
                try:
                    await asyncio.wait_for(channel.channel_ready(), 5)
                except TimeoutError:
                    late += 1
            await asyncio.sleep(max(0.0, 0.2 - (time.monotonic() - began)))
    return f"{refused} refused; new connections that failed: {late}"


async def unknown_keys(job: Job) -> str:
    """Show keys that somebody made up, 64 at once."""
    return await _callers(job, 64, _GET, lambda _: b"", _made_up)


async def old_key_ids(job: Job) -> str:
    """Show the id of a key that there is with secrets that are made up, 64 at once."""
    known = job["publisher"].split("_")[1]
    return await _callers(
        job, 64, _GET, lambda _: b"", lambda: f"sb_{known}_{secrets.token_urlsafe(32)}"
    )


async def long_lists(job: Job) -> str:
    """Read pages of 1,000 changes with eight callers of one key."""
    request = change_service_pb2.ListChangesRequest(district_id=DISTRICT, page_size=1_000)
    data = request.SerializeToString()
    return await _callers(job, 8, _LIST, lambda _: data, lambda: job["publisher"])


async def dry_runs(job: Job) -> str:
    """Run batches dry of 500 changes with eight callers of one key."""
    return await _callers(job, 8, _BATCH, _batches(job, dry_run=True), lambda: job["publisher"])


async def unary_batches(job: Job) -> str:
    """Publish batches of 250 changes with six callers of one key."""
    return await _callers(job, 6, _BATCH, _batches(job, dry_run=False), lambda: job["publisher"])


def _batches(job: Job, *, dry_run: bool) -> Callable[[int], bytes]:
    changes = grades(job["students"], f"{job['kind']} {uuid.uuid4()}")

    def make(_: int) -> bytes:
        return change_service_pb2.BatchPublishChangesRequest(
            district_id=DISTRICT,
            validate_only=dry_run,
            changes=[next(changes) for _ in range(500 if dry_run else 250)],
        ).SerializeToString()

    return make


def _made_up() -> str:
    return f"sb_{uuid.uuid4()}_{secrets.token_urlsafe(32)}"


async def _streams(job: Job, path: str, count: int, first: bytes | None, key: str = "") -> str:
    end = time.monotonic() + job["seconds"]
    codes: Counter[str] = Counter()
    async with _channel(job) as channel:

        async def one() -> None:
            open_stream: Any = channel.stream_stream(path)
            call = open_stream(metadata=Connection(key=key).metadata())
            try:
                if first is not None:
                    with suppress(grpc.aio.AioRpcError):  # ended already: why is read below
                        await call.write(first)
                while await call.read() is not grpc.aio.EOF:
                    pass
                codes["ended"] += 1
            except grpc.aio.AioRpcError as error:
                codes[_code(error)] += 1
            except asyncio.CancelledError:
                codes["held"] += 1
                raise

        tasks = [asyncio.create_task(one()) for _ in range(count)]
        await asyncio.sleep(max(0.0, end - time.monotonic()))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return _told(codes)


async def _bodies(job: Job, path: str, key: str = "") -> str:
    end, size = time.monotonic() + job["seconds"], 4 * 2**20
    body = b"\0" + size.to_bytes(4, "big") + bytes(size - 1)
    total = 0

    async def one(connection: Any) -> int:
        stream = connection.open(path, key)
        sent: int = await connection.send(stream, body)
        return sent

    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(wire(job["port"], job["ca"])) for _ in range(5)]
        calls = [asyncio.create_task(one(wires[number % 5])) for number in range(250)]
        done, left = await asyncio.wait(calls, timeout=max(0.1, end - time.monotonic()))
        total = sum(task.result() for task in done if task.exception() is None)
        for task in left:
            task.cancel()
        await asyncio.sleep(max(0.0, end - time.monotonic()))
    return f"{total / 2**20:,.0f} MiB sent"


async def _callers(
    job: Job, count: int, path: str, request: Callable[[int], bytes], key: Callable[[], str]
) -> str:
    end = time.monotonic() + job["seconds"]
    codes: Counter[str] = Counter()
    async with _channel(job) as channel:
        call: Any = channel.unary_unary(path)

        async def one() -> None:
            while time.monotonic() < end:
                metadata = Connection(key=key()).metadata()
                try:
                    await call(request(count), metadata=metadata, timeout=60)
                    codes["OK"] += 1
                except grpc.aio.AioRpcError as error:
                    codes[_code(error)] += 1

        await asyncio.gather(*(one() for _ in range(count)))
    return _told(codes)


def _code(error: grpc.aio.AioRpcError) -> str:
    """Return how a call ended; gRPC's client calls its own failed writes INTERNAL as well."""
    own = (error.details() or "").startswith("Internal error from Core")
    return f"{error.code().name} of the client" if own else error.code().name


def _told(codes: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in codes.most_common()) or "nothing"


def _channel(job: Job) -> grpc.aio.Channel:
    target = f"localhost:{job['port']}"
    credentials = grpc.ssl_channel_credentials(job["ca"].encode())
    return grpc.aio.secure_channel(
        target, credentials, options=(("grpc.max_receive_message_length", -1),)
    )


ATTACKS: Mapping[str, Callable[[Job], Awaitable[str]]] = {
    one.__name__: one
    for one in (
        health_streams,
        reflection_streams,
        status_streams,
        keyless_bodies,
        health_bodies,
        reflection_bodies,
        stolen_bodies,
        stolen_streams,
        header_streams,
        rapid_resets,
        handshakes,
        half_open_tls,
        unknown_keys,
        old_key_ids,
        long_lists,
        dry_runs,
        unary_batches,
    )
}


async def main() -> None:
    """Read a job, do it, answer."""
    job = json.load(sys.stdin)
    print(json.dumps({"told": await ATTACKS[job["kind"]](job)}))


if __name__ == "__main__":
    uvloop.run(main())
