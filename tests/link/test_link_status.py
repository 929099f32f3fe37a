"""Service Connectivity shows the link: how it stands, since when, and what is wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from schoolbell.v1 import status_pb2
from schoolbell_server.config.broker import LinkConfig
from schoolbell_server.demo.rabbitmq.broker import Broker
from tests.link.enrolled import administrator
from tests.link.linked import Linked, linked
from tests.service.observed import logged
from tests.service.ports import free_port
from tests.service.scene import STUDENT, phone, populate, publish, register, status_of, tasks
from tests.service.test_metrics import scrape

PATIENCE = 60.0  # seconds


async def until_link(
    link: Linked, reached: Callable[[status_pb2.Link], bool]
) -> status_pb2.ServiceState:
    """Wait until the district's one link is so, and return the whole state."""
    async with asyncio.timeout(PATIENCE):
        while True:
            state = await status_of(link.service)
            (one,) = state.links
            if reached(one):
                return state
            await asyncio.sleep(0.05)


async def test_a_link_that_is_up_is_the_only_one_and_connected(
    tmp_path: Path, broker: Broker
) -> None:
    async with linked(tmp_path, broker) as link:
        await populate(link.service)
        state = await until_link(
            link, lambda one: one.connectivity == status_pb2.CONNECTIVITY_CONNECTED
        )
    (one,) = state.links
    assert one.type == status_pb2.LINK_TYPE_HUB
    assert (one.app_id, one.provider, one.environment) == ("", 0, 0)
    assert (one.trouble, one.reason) == (0, "")
    assert one.circuit == status_pb2.CIRCUIT_CLOSED
    assert state.connectivity == status_pb2.CONNECTIVITY_CONNECTED
    assert not state.warnings


def _nobody(link: LinkConfig, folder: Path) -> LinkConfig:
    return replace(link, url=f"amqps://{link.user}@localhost:{free_port()}")


def _unknown_name(link: LinkConfig, folder: Path) -> LinkConfig:
    return replace(link, url=f"amqps://{link.user}@broker.invalid:{link.port}")


def _another_name(link: LinkConfig, folder: Path) -> LinkConfig:
    return replace(link, server_name="another.example")


def _wrong_password(link: LinkConfig, folder: Path) -> LinkConfig:
    (folder / "wrong").write_text("wrong", encoding="utf-8")
    return replace(link, password_file=folder / "wrong")


@pytest.mark.parametrize(
    ("spoil", "trouble"),
    [
        (_nobody, status_pb2.LINK_TROUBLE_REFUSED),
        (_unknown_name, status_pb2.LINK_TROUBLE_NAME_RESOLUTION),
        (_another_name, status_pb2.LINK_TROUBLE_TLS),
        (_wrong_password, status_pb2.LINK_TROUBLE_CREDENTIALS),
    ],
)
async def test_what_keeps_a_link_from_coming_up_is_named(
    tmp_path: Path,
    broker: Broker,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[LinkConfig, Path], LinkConfig],
    trouble: int,
) -> None:
    def adapt(link: LinkConfig) -> LinkConfig:
        return spoil(link, tmp_path)

    async with linked(tmp_path, broker, started=False, adapt=adapt) as link:
        await populate(link.service)
        state = await until_link(link, lambda one: one.trouble == trouble)
        (one,) = state.links
        assert one.connectivity == status_pb2.CONNECTIVITY_DISCONNECTED
        assert one.reason
        assert one.circuit == status_pb2.CIRCUIT_OPEN
        assert one.HasField("start_time")
        refused = trouble == status_pb2.LINK_TROUBLE_CREDENTIALS
        assert [warning.code for warning in state.warnings] == [
            status_pb2.WARNING_CODE_CREDENTIAL_REFUSED
            if refused
            else status_pb2.WARNING_CODE_PROVIDER_UNREACHABLE
        ]
        assert logged(caplog, "link down")


async def test_a_broker_that_is_gone_is_told_and_the_link_comes_back_by_itself(
    tmp_path: Path, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with linked(tmp_path, broker) as link:
        await populate(link.service)
        await register(link.service, phone(STUDENT))
        await until_link(link, lambda one: one.connectivity == status_pb2.CONNECTIVITY_CONNECTED)
        # Not killed: RabbitMQ 3.10 may not bring back queues that it made a moment before SIGKILL.
        await asyncio.to_thread(broker.stop)
        try:
            await until_link(
                link, lambda one: one.connectivity == status_pb2.CONNECTIVITY_DISCONNECTED
            )
            await publish(link.service, *tasks(1, 1))
        finally:
            await asyncio.to_thread(broker.start)
        await until_link(link, lambda one: one.connectivity == status_pb2.CONNECTIVITY_CONNECTED)
        async with asyncio.timeout(PATIENCE):
            await anext(link.service.sandbox.ledger.follow_shown())
        assert logged(caplog, "link up", state="connected")


async def test_a_full_queue_is_flow_control_and_what_waits_leaves_once_there_is_room(
    tmp_path: Path, broker: Broker
) -> None:
    port = free_port()
    async with linked(tmp_path, broker, started=False, metrics=port) as link, _full_queues(link):
        await populate(link.service)
        await register(link.service, phone(STUDENT))
        count = 0
        async with asyncio.timeout(PATIENCE):
            one = status_pb2.Link()
            while one.trouble != status_pb2.LINK_TROUBLE_FLOW_CONTROLLED:
                count += 1  # the queue is narrow once the policy has come to it
                await publish(link.service, *tasks(count, 1))
                (one,) = (await status_of(link.service)).links
        assert one.connectivity == status_pb2.CONNECTIVITY_DEGRADED
        waits = "schoolbell_link_passed_on_deliveries_total", frozenset({("result", "WAITS")})
        assert (await scrape(port))[waits] > 0
        await link.hub.start()
        ledger = link.service.sandbox.ledger
        async with asyncio.timeout(PATIENCE):
            async for _ in ledger.follow_shown():
                if ledger.totals().accepted == count:
                    break
        assert ledger.totals().duplicates == 0


async def test_a_broker_without_memory_is_flow_control_and_loses_nothing(
    tmp_path: Path, broker: Broker
) -> None:
    async with linked(tmp_path, broker) as link:
        await populate(link.service)
        await register(link.service, phone(STUDENT))
        await until_link(link, lambda one: one.connectivity == status_pb2.CONNECTIVITY_CONNECTED)
        async with _without_memory(broker):
            await publish(link.service, *tasks(1, 3))  # a connection that publishes is blocked
            await until_link(
                link, lambda one: one.trouble == status_pb2.LINK_TROUBLE_FLOW_CONTROLLED
            )
        await until_link(link, lambda one: one.connectivity == status_pb2.CONNECTIVITY_CONNECTED)
        ledger = link.service.sandbox.ledger
        async with asyncio.timeout(PATIENCE):
            async for _ in ledger.follow_shown():
                if ledger.totals().accepted == 3:
                    break
        assert ledger.totals().duplicates == 0


async def test_plaintext_is_warned_of_wherever_status_shows(tmp_path: Path, broker: Broker) -> None:
    def plain(link: LinkConfig) -> LinkConfig:
        url = f"amqp://{link.user}@localhost:{broker.ports.amqp}"
        return replace(link, url=url, plaintext=True, ca_file=None)

    async with linked(tmp_path, broker, started=False, adapt=plain) as link:
        await populate(link.service)
        state = await until_link(
            link, lambda one: one.connectivity == status_pb2.CONNECTIVITY_CONNECTED
        )
        (warning,) = state.warnings
        assert warning.code == status_pb2.WARNING_CODE_PLAINTEXT
        assert "not encrypted" in warning.text


@asynccontextmanager
async def _without_memory(broker: Broker) -> AsyncIterator[None]:
    """Let the broker raise its alarm of memory while the block runs."""
    set_limit = "set_vm_memory_high_watermark"
    await asyncio.to_thread(broker.control, set_limit, "absolute", "1MB")
    try:
        yield
    finally:
        await asyncio.to_thread(broker.control, set_limit, "0.4")


@asynccontextmanager
async def _full_queues(link: Linked) -> AsyncIterator[None]:
    """Let the district's lanes hold one message each while the block runs."""
    name = f"narrow-{link.district.district}"
    pattern = f"^district\\.{link.district.district}\\.lane\\..*$"
    body = {"pattern": pattern, "apply-to": "queues", "definition": {"max-length": 1}}
    async with administrator(link.broker) as opened:
        await opened.put("policies", "schoolbell", name, body=body)
        try:
            yield
        finally:
            await opened.delete("policies", "schoolbell", name)
