"""A hub that is not told who is enrolled serves whom it knows, says so, and hears again by itself.

So it is with queues that go while they are taken from: whoever took from them notices.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
import sqlite3
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from aio_pika.abc import AbstractChannel
from grpc_health.v1 import health_pb2, health_pb2_grpc

from schoolbell.v1 import delivery_pb2
from schoolbell_server.address import Address
from schoolbell_server.config.topology import (
    DISTRICTS_STREAM,
    HUB_PERMISSIONS,
    HUB_USER,
    VIRTUAL_HOST,
    DistrictTopology,
    lane_key,
)
from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.hub import districts, enrolled_stream, intake
from schoolbell_server.hub.enrollment import Enrollment
from schoolbell_server.hub.service import DISTRICTS, LEDGER
from schoolbell_server.link import consumers, district_link
from tests.link.enrolled import administrator, some_district
from tests.link.linked import Linked, linked
from tests.service.following import following
from tests.service.observed import logged
from tests.service.ports import free_port
from tests.service.scene import STUDENT, phone, populate, publish, register, tasks

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
PATIENCE = 60.0  # seconds
UNTAKEN = "nothing is taken from a district"
READ = "schoolbell_hub_districts_read"

Unread = Callable[[Broker], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def gone(broker: Broker) -> AsyncIterator[None]:
    """Let there be no stream, as after a broker that lost it."""
    async with administrator(broker) as opened:
        await opened.delete("queues", VIRTUAL_HOST, DISTRICTS_STREAM)
        try:
            yield
        finally:
            await Enrollment(opened).set_up()


@asynccontextmanager
async def forbidden(broker: Broker) -> AsyncIterator[None]:
    """Let hubs read no stream."""
    read = HUB_PERMISSIONS.read.replace(r"|hub\.districts", "")
    body = {"configure": "^$", "write": HUB_PERMISSIONS.write, "read": read}
    async with administrator(broker) as opened:
        await opened.put("permissions", VIRTUAL_HOST, HUB_USER, body=body)
        try:
            yield
        finally:
            await Enrollment(opened).set_up()


@pytest.mark.parametrize("unread", [gone, forbidden])
async def test_whom_a_hub_knows_it_serves_without_hearing_who_is_enrolled(
    tmp_path: Path, broker: Broker, unread: Unread, caplog: pytest.LogCaptureFixture
) -> None:
    async with linked(tmp_path, broker) as link:
        service, port = link.service, _measured(link)
        await populate(service)
        await register(service, phone(STUDENT))
        async with following(service) as followed:
            await publish(service, *tasks(1, 1))
            await followed.until_states(ACCEPTED)
            await _until_kept(tmp_path, link.district)
            await link.hub.stop()
            async with unread(broker):
                await link.hub.start()
                await publish(service, *tasks(2, 1))
                await followed.until_states(ACCEPTED, ACCEPTED)
                await _until_metric(port, READ, 0)
                await _until_health(link, "", SERVING)
                await _until_health(link, DISTRICTS, NOT_SERVING)
                assert "enrolled districts cannot be read" in caplog.text
            await _until_metric(port, READ, 1)
            await _until_health(link, DISTRICTS, SERVING)
            await publish(service, *tasks(3, 1))
            await followed.until_states(*[ACCEPTED] * 3)


async def test_a_hub_that_knows_nobody_and_hears_nothing_does_not_serve(
    tmp_path: Path, broker: Broker
) -> None:
    async with linked(tmp_path, broker, started=False) as link, forbidden(broker):
        await link.hub.start()
        await _until_health(link, "", NOT_SERVING)


async def test_what_ends_while_it_is_read_is_told_and_read_again(
    tmp_path: Path, broker: Broker
) -> None:
    async with linked(tmp_path, broker, started=False) as link:
        port = _measured(link)
        await link.hub.start()
        await _until_metric(port, READ, 1)
        await _until_kept(tmp_path, link.district)
        async with gone(broker):
            await _until_metric(port, READ, 0)
        await _until_metric(port, READ, 1)
        other = some_district()
        async with administrator(broker) as opened:
            await Enrollment(opened).enroll(other)
            await _until_kept(tmp_path, link.district, other)
            await Enrollment(opened).remove(other)
            await _until_kept(tmp_path, link.district, without=other)


async def test_whose_queues_are_gone_and_what_nobody_can_read_is_counted(
    tmp_path: Path,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(districts, "_LOOK", 0.1)
    async with linked(tmp_path, broker, started=False) as link:
        port, lane = _measured(link), link.district.request_queue(4)
        await link.hub.start()
        await _until_kept(tmp_path, link.district)
        async with administrator(broker) as opened:
            await opened.delete("queues", VIRTUAL_HOST, lane)
            about = {"district_id": link.district.district}
            await _until(lambda: bool(logged(caplog, UNTAKEN, **about)))
            await _until(lambda: _gauge(port, "schoolbell_hub_districts_untaken") > 0)
            assert "no queue" in vars(logged(caplog, UNTAKEN, **about)[0])["cause"]
            await Enrollment(opened).enroll(link.district)
            message = {"properties": {}, "payload": "x", "payload_encoding": "string"}
            await opened.post(
                *("exchanges", VIRTUAL_HOST, link.district.exchange, "publish"),
                body={**message, "routing_key": lane_key(4)},
            )
        await _until(lambda: _gauge(port, "schoolbell_hub_dead_letters") > 0)


@pytest.mark.parametrize("queue", ["lane.4", "withdrawals", "outcomes"])
async def test_a_queue_that_is_gone_and_made_again_is_taken_from(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch, queue: str
) -> None:
    """At once, so that RabbitMQ may cancel its consumers, lose them, or carry them over."""
    _look_often(monkeypatch)
    monkeypatch.setattr(consumers, "LONGEST_LIFE", 1.0)
    async with linked(tmp_path, broker) as link, _one_is_accepted(link):
        name = f"district.{link.district.district}.{queue}"
        async with administrator(broker) as opened:
            await opened.delete("queues", VIRTUAL_HOST, name)
            await Enrollment(opened).enroll(link.district)


@pytest.mark.parametrize("queue", ["lane.4", "outcomes"])
async def test_a_consumer_that_is_lost_without_a_word_is_begun_anew(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch, queue: str
) -> None:
    _look_often(monkeypatch)
    told = _say_nothing(monkeypatch)
    async with linked(tmp_path, broker) as link, _one_is_accepted(link):
        name = f"district.{link.district.district}.{queue}"
        async with administrator(broker) as opened:
            await opened.delete("queues", VIRTUAL_HOST, name)
            async with asyncio.timeout(PATIENCE):
                await told.wait()  # made again before, it might be carried over
            await Enrollment(opened).enroll(link.district)


async def test_a_stream_that_is_not_heard_any_more_is_read_again(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    _look_often(monkeypatch)
    _say_nothing(monkeypatch)
    async with linked(tmp_path, broker) as link:
        await _until_kept(tmp_path, link.district)
        other = some_district()
        async with administrator(broker) as opened:
            await opened.delete("queues", VIRTUAL_HOST, DISTRICTS_STREAM)
            await Enrollment(opened).set_up()
            await Enrollment(opened).enroll(other)
            await _until_kept(tmp_path, other)
            await Enrollment(opened).remove(other)


def _look_often(patched: pytest.MonkeyPatch) -> None:
    for pause in ("FIRST_LOOK", "LONGEST_PAUSE", "AGAIN"):
        patched.setattr(consumers, pause, 0.2)


def _say_nothing(patched: pytest.MonkeyPatch) -> asyncio.Event:
    """Let nobody act on what the broker says of the end of consumers; the event: it said so."""
    told = asyncio.Event()

    async def unheard(channel: AbstractChannel, act: object) -> None:
        await consumers.on_cancelled(channel, told.set)

    for module in (intake, district_link, enrolled_stream):
        patched.setattr(module, "on_cancelled", unheard)
    return told


@asynccontextmanager
async def _one_is_accepted(link: Linked) -> AsyncIterator[None]:
    """Let a delivery be accepted before the block, and another after it."""
    service = link.service
    await populate(service)
    await register(service, phone(STUDENT))
    async with following(service) as followed:
        await publish(service, *tasks(1, 1))
        await followed.until_states(ACCEPTED)
        yield
        await publish(service, *tasks(2, 1))
        await followed.until_states(ACCEPTED, ACCEPTED)


def _measured(link: Linked) -> int:
    """Let the hub serve metrics from its next start; return the port."""
    port = free_port()
    server = dataclasses.replace(link.hub.config.hub, metrics_listen=Address("127.0.0.1", port))
    link.hub.config = dataclasses.replace(link.hub.config, hub=server)
    return port


async def _until_kept(
    folder: Path, *districts: DistrictTopology, without: DistrictTopology | None = None
) -> None:
    """Wait until the hub's ledger knows districts, and does not know another."""
    names = {one.district for one in districts}

    def reached() -> bool:
        kept = _kept(folder / "hub" / LEDGER)
        return names <= kept and (without is None or without.district not in kept)

    await _until(reached)


def _kept(ledger: Path) -> set[str]:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        return {name for (name,) in connection.execute("SELECT district FROM hub_district")}


async def _until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if await asyncio.to_thread(reached):
                return
            await asyncio.sleep(0.05)


async def _until_metric(port: int, name: str, wanted: float) -> None:
    await _until(lambda: f"\n{name} {wanted:.1f}\n" in _metrics(port))


def _gauge(port: int, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", _metrics(port), re.MULTILINE)
    return float(found[1]) if found else 0.0


def _metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
        text: str = answer.read().decode()
    return text


async def _until_health(link: Linked, service: str, wanted: int) -> None:
    assert link.hub.running is not None
    async with grpc.aio.insecure_channel(f"127.0.0.1:{link.hub.running.port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # the published stubs do not know Watch
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=service))
        async with asyncio.timeout(PATIENCE):
            async for answer in watch:
                if answer.status == wanted:
                    return
