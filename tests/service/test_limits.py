"""No caller takes what belongs to the others: places, memory, connections, descriptors."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from benchmarks.abuse.wire import Wire, wire
from schoolbell.v1 import change_service_pb2, settings_service_pb2, status_service_pb2
from schoolbell_server.rpc.places import address_of
from schoolbell_server.security.api_key import Role
from tests.service.middleware_server import DISTRICT, Service, running
from tests.service.test_middleware import ASK, BATCH, GET, STREAM, WATCH, refused, stream_end

PATIENCE = 30.0  # seconds
CHECK = "/grpc.health.v1.Health/Check"
WATCH_HEALTH = "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
WATCH_STATUS = status_service_pb2.WatchStatusRequest(district_id=DISTRICT).SerializeToString()
LIST_SERVICES = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
NEVER = dt.timedelta(minutes=5)


@asynccontextmanager
async def held(service: Service, path: str, first: bytes, *keys: str) -> AsyncIterator[None]:
    """Hold streams open, one for each key, each with its first answer received."""
    async with AsyncExitStack() as stack:
        for key in keys:
            call = service.stream(path, "stream_stream", key)
            stack.callback(call.cancel)
            await call.write(first)
            assert await call.read() is not grpc.aio.EOF
        yield


async def refusal_of(service: Service, path: str, first: bytes, key: str = "") -> Any:
    call = service.stream(path, "stream_stream", key)
    with suppress(grpc.aio.AioRpcError):  # it may end before the message leaves
        await call.write(first)
    return await stream_end(call)


def refusals(service: Service, limit: str) -> float:
    name = "schoolbell_calls_refused_total"
    return service.metrics.registry.get_sample_value(name, {"limit": limit}) or 0


PUBLIC = {
    "health_streams": (WATCH_HEALTH, b"\0" * 0),
    "reflection_streams": (REFLECT, LIST_SERVICES),
}


@pytest.mark.parametrize(
    "limit", ["health_streams", "reflection_streams", "peer_calls", "public_calls"]
)
async def test_streams_without_a_key_have_limits_of_their_own(limit: str, tmp_path: Path) -> None:
    path, first = PUBLIC.get(limit, PUBLIC["reflection_streams"])
    limits: dict[str, Any] = {limit: 2}
    async with running(tmp_path, concurrent_calls=1, reserved_calls=0, **limits) as service:
        key = service.keys.new(Role.ADMINISTRATOR)
        async with held(service, path, first, "", ""):
            found = await refusal_of(service, path, first)
            assert (found.code, found.reason) == (
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "TOO_MANY_CALLS",
            )
            assert found.metadata["limit"] == f"limits.{limit}"
            assert len(found.retry) == 1
            assert refusals(service, limit) == 1
            await service.raw(GET, ASK, key)  # who shows a key has another limit
        async with asyncio.timeout(PATIENCE):
            while True:  # the places come back once the server has seen the streams end
                call = service.stream(path, "stream_stream", "")
                await call.write(first)
                try:
                    if await call.read() is not grpc.aio.EOF:
                        call.cancel()
                        return
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0)


async def test_health_is_answered_while_strangers_hold_every_stream(tmp_path: Path) -> None:
    async with (
        running(tmp_path, health_streams=2) as service,
        held(service, WATCH_HEALTH, b"", "", ""),
    ):
        answer = await service.raw(CHECK, b"")
        status = health_pb2.HealthCheckResponse.FromString(answer).status
        assert status == health_pb2.HealthCheckResponse.SERVING


async def test_one_key_cannot_take_the_places_of_another(tmp_path: Path) -> None:
    async with running(tmp_path, key_calls=2) as service:
        greedy, other = service.keys.new(Role.MONITOR), service.keys.new(Role.MONITOR)
        async with held(service, WATCH, WATCH_STATUS, greedy, greedy):
            found = await refusal_of(service, WATCH, WATCH_STATUS, greedy)
            assert (found.reason, found.metadata["limit"]) == ("TOO_MANY_CALLS", "limits.key_calls")
            assert len(found.retry) == 1
            assert refusals(service, "key_calls") == 1
            async with held(service, WATCH, WATCH_STATUS, other, other):
                pass


async def test_the_last_places_are_for_publishers_and_operators(tmp_path: Path) -> None:
    async with running(tmp_path, concurrent_calls=4, reserved_calls=2) as service:
        monitors = [service.keys.new(Role.MONITOR) for _ in range(3)]
        publisher, operator = service.keys.new(Role.PUBLISHER), service.keys.new(Role.OPERATOR, "-")
        batch = change_service_pb2.StreamPublishChangesRequest(
            district_id=DISTRICT
        ).SerializeToString()
        async with held(service, WATCH, WATCH_STATUS, *monitors[:2]):
            found = await refusal_of(service, WATCH, WATCH_STATUS, monitors[2])
            assert found.metadata["limit"] == "limits.concurrent_calls"
            await service.raw(GET, ASK, operator)
            async with held(service, STREAM, batch, publisher, publisher):
                found = await refusal_of(service, STREAM, batch, publisher)
                assert found.reason == "TOO_MANY_CALLS"


async def until(wires: Wire, count: int) -> None:
    """Wait until the server has ended so many streams."""
    async with asyncio.timeout(PATIENCE):
        while len(wires.ended) < count:
            await wires.moves()


def authority(folder: Path) -> str:
    return (folder / "tls" / "ca.pem").read_text()


@pytest.mark.parametrize("path", [GET, BATCH, STREAM, WATCH, "/made.up/Name"])
async def test_a_stranger_is_refused_before_the_request_is_read(path: str, tmp_path: Path) -> None:
    async with (
        running(tmp_path, request_timeout=NEVER) as service,
        wire(service.port, authority(tmp_path)) as one,
    ):
        one.open(path)
        one.open(path, "sb_nobody_x")
        await one.flush()
        await until(one, 2)


async def test_the_request_of_a_refused_key_is_not_read_either(tmp_path: Path) -> None:
    async with running(tmp_path, request_timeout=NEVER, key_calls=1) as service:
        key = service.keys.new(Role.ADMINISTRATOR)
        async with wire(service.port, authority(tmp_path)) as one:
            for _ in range(3):
                one.open(GET, key)
            await one.flush()
            await until(one, 2)
            assert len(one.ended) == 2


@pytest.mark.parametrize("path", [GET, CHECK, WATCH_HEALTH, WATCH])
async def test_a_request_that_does_not_arrive_ends_its_call(path: str, tmp_path: Path) -> None:
    async with running(tmp_path, request_timeout=dt.timedelta(milliseconds=100)) as service:
        key = service.keys.new(Role.ADMINISTRATOR)
        async with wire(service.port, authority(tmp_path)) as one:
            one.open(path, key)
            await one.flush()
            await until(one, 1)
        count = service.metrics.registry.get_sample_value(
            "grpc_server_call_duration_seconds_count",
            {"grpc_method": path[1:], "grpc_status": "DEADLINE_EXCEEDED"},
        )
        assert count == 1


@pytest.mark.parametrize("path", [CHECK, BATCH])
async def test_few_bodies_of_a_caller_are_read_at_once(path: str, tmp_path: Path) -> None:
    """What is read is at most a message each; of the others, gRPC takes in a window."""
    body = b"\0" + (1_000_000).to_bytes(4, "big") + bytes(999_999)  # one byte too few
    async with (
        running(tmp_path, bodies=2, request_timeout=NEVER) as service,
        wire(service.port, authority(tmp_path)) as one,
    ):
        key = "" if path == CHECK else service.keys.new(Role.PUBLISHER)
        sent = [await one.send(one.open(path, key), body) for _ in range(6)]
        assert sum(count == len(body) for count in sent) <= 2
        assert max(sorted(sent)[:4]) < 200_000


async def test_a_call_that_says_nothing_at_all_is_malformed(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        key = service.keys.new(Role.ADMINISTRATOR)
        call = service.stream(GET, "stream_unary", key)
        await call.done_writing()

        async def answer() -> object:
            return await call

        assert (await refused(answer())).reason == "MALFORMED_MESSAGE"


@pytest.mark.parametrize("keyed", [True, False])
async def test_a_client_that_sends_more_than_a_connection_takes_is_answered(
    tmp_path: Path, *, keyed: bool
) -> None:
    async with running(tmp_path, connection_calls=16) as service:
        key = service.keys.new(Role.ADMINISTRATOR) if keyed else ""
        codes: Counter[str] = Counter()

        async def call() -> None:
            try:
                await service.raw(GET, ASK, key)
                codes["OK"] += 1
            except grpc.aio.AioRpcError as error:
                codes[error.code().name] += 1

        for _ in range(3):
            await asyncio.gather(*(call() for _ in range(150)))
        assert codes == {"OK" if keyed else "UNAUTHENTICATED": 450}


async def test_a_connection_that_does_not_shake_hands_is_closed(tmp_path: Path) -> None:
    async with running(tmp_path, handshake_timeout=dt.timedelta(milliseconds=200)) as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        try:
            assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
        finally:
            writer.close()


async def test_an_idle_connection_is_closed_and_an_open_stream_is_not(tmp_path: Path) -> None:
    async with running(tmp_path, connection_idle=dt.timedelta(seconds=1)) as service:
        key = service.keys.new(Role.MONITOR)
        async with held(service, WATCH, WATCH_STATUS, key):
            async with wire(service.port, authority(tmp_path)) as idle:
                async with asyncio.timeout(PATIENCE):
                    while not idle.closed:
                        await idle.moves()
            service.script.release.set()


async def test_connections_leave_the_server_files_of_its_own(tmp_path: Path) -> None:
    async with running(tmp_path, connections=16) as service:
        async with AsyncExitStack() as stack:
            wires = []
            for _ in range(24):
                try:
                    one = await stack.enter_async_context(wire(service.port, authority(tmp_path)))
                except OSError:
                    continue
                wires.append(one)
            assert len(wires) <= 16
        # and once they are gone, there is room again
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    async with wire(service.port, authority(tmp_path)):
                        return
                except OSError:
                    await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.7:4711", "192.0.2.7"),
        ("ipv6:%5B::1%5D:4711", "::/64"),
        ("ipv6:%5B2001:db8:1:2:3::4%5D:4711", "2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2:ffff::9]:1", "2001:db8:1:2::/64"),
        ("ipv6:%5B::ffff:192.0.2.7%5D:4711", "192.0.2.7"),
        ("ipv6:%5Bfe80::1%25eth0%5D:4711", "fe80::/64"),
        ("unix:/run/schoolbell.sock", "unix"),
        ("", ""),
    ],
)
def test_an_address_is_one_caller_whatever_its_port(peer: str, address: str) -> None:
    assert address_of(peer) == address


async def test_no_place_is_lost_whatever_becomes_of_a_call(tmp_path: Path) -> None:
    async with running(tmp_path, key_calls=2, concurrent_calls=3, reserved_calls=0) as service:
        key = service.keys.new(Role.ADMINISTRATOR)

        async def fail(_: Any) -> Any:
            raise RuntimeError

        service.script.settings = fail
        for _ in range(3):
            for data, shown in ((ASK, key), (b"\xff", key), (ASK, ""), (ASK, f"{key}x")):
                await refused(service.raw(GET, data, shown))
            await refused(service.raw(CHECK, b"\xff"))
        service.script.settings = lambda _: settings_service_pb2.GetSettingsResponse()
        await service.raw(GET, ASK, key)
        assert not service.middleware.places.open
