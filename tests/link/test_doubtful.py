"""What a broker may have without having said so is found again after a restart, and withdrawn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from schoolbell import AsyncClient
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import delivery_pb2, roster_service_pb2
from schoolbell.v1.delivery_pb2 import DeliveryFilter
from schoolbell.v1.status_service_pb2 import CancelDeliveriesRequest
from schoolbell_server.config.broker import LinkConfig
from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.link.district_link import DistrictLink
from tests.end_to_end.process import Process, killable
from tests.link.linked import Linked, linked
from tests.link.relay import relayed
from tests.link.unconfirmed import let_no_publish_be_confirmed
from tests.link.waiting import until_empty, until_messages
from tests.service.following import following
from tests.service.scene import (
    MOTHER,
    STUDENT,
    deliveries,
    phone,
    populate,
    publish,
    register,
    tasks,
)
from tests.service.whole import DISTRICT

PENDING = delivery_pb2.DELIVERY_STATE_PENDING
HELD = delivery_pb2.DELIVERY_STATE_HELD
ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
CANCELLED = delivery_pb2.DELIVERY_STATE_CANCELLED
GRADES = 4
PATIENCE = 60.0  # seconds

Forbid = Callable[[AsyncClient], Awaitable[object]]


async def _cancel(client: AsyncClient) -> None:
    await client.status.CancelDeliveries(
        CancelDeliveriesRequest(
            district_id=DISTRICT,
            filter=DeliveryFilter(user_ids=[MOTHER]),
            comment="a wrong gradebook",
        )
    )


async def _bar(client: AsyncClient) -> None:
    await client.roster.SetBar(
        roster_service_pb2.SetBarRequest(
            district_id=DISTRICT,
            student_id=STUDENT,
            guardian_id=MOTHER,
            barred=True,
            comment="a court order",
        )
    )


@pytest.mark.parametrize("forbid", [_cancel, _bar])
async def test_what_a_server_had_published_when_it_was_killed_is_withdrawn_by_its_next_life(
    tmp_path: Path, broker: Broker, forbid: Forbid
) -> None:
    async with relayed(broker.ports.amqps) as relay:

        def through(link: LinkConfig) -> LinkConfig:
            return replace(link, url=f"amqps://{link.user}@localhost:{relay.port}")

        async with linked(tmp_path, broker, started=False, adapt=through) as link:
            await populate(link.service)
            await register(link.service, phone(MOTHER, ios=False))
            queue = link.district.request_queue(GRADES)
            async with killable(link.service, tmp_path) as server:
                await _until_logged(server, "link up")
                relay.answers = False  # so that nothing is confirmed
                await publish(server, *tasks(1, 1))
                await until_messages(link, queue, 1)
                relay.open = False
                await server.kill()
                relay.answers = True
                await server.start()
                await _until(lambda: _is(server.taken_back == 1))
                async with server.client(access.ROLE_ADMINISTRATOR) as client:
                    await forbid(client)
                if forbid is _cancel:
                    await _until(lambda: _stands(server, CANCELLED))
                relay.open = True
                await until_messages(link, link.district.withdrawals_queue, 1)
                await _drain(link, queue)
                await _until(lambda: _stands(server, CANCELLED))
        assert link.service.sandbox.ledger.totals().accepted == 0


async def test_what_was_not_confirmed_in_time_is_withdrawn_after_a_restart(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreached(self: DistrictLink, take: object) -> None:
        await asyncio.Event().wait()

    async with linked(tmp_path, broker, started=False) as link:
        service, queue = link.service, link.district.request_queue(GRADES)
        await populate(service)
        await register(service, phone(MOTHER, ios=False))
        with monkeypatch.context() as patched:
            let_no_publish_be_confirmed(patched)
            await publish(service, *tasks(1, 1))
            await until_messages(link, queue, 1)
            await _until(lambda: _stands(service, HELD))
            await service.stop()
        with monkeypatch.context() as patched:
            patched.setattr(DistrictLink, "run", unreached)
            await service.start()
            async with service.client(access.ROLE_ADMINISTRATOR) as client:
                await _cancel(client)
            await _until(lambda: _stands(service, CANCELLED))
            await service.stop()
        await service.start()
        await until_messages(link, link.district.withdrawals_queue, 1)
        await _drain(link, queue)
        assert service.sandbox.ledger.totals().accepted == 0


async def test_what_nobody_forbids_is_passed_on_again_and_is_one_attempt(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_whole, doubts = DistrictLink.publish, iter([True])

    async def once_unconfirmed(self: DistrictLink, routing_key: str, body: bytes) -> None:
        await publish_whole(self, routing_key, body)
        if next(doubts, False):
            self._refused("no confirmation in time", doubtful=True)

    monkeypatch.setattr(DistrictLink, "publish", once_unconfirmed)
    async with linked(tmp_path, broker, started=False) as link:
        service = link.service
        await populate(service)
        await register(service, phone(MOTHER, ios=False))
        async with following(service) as followed:
            await publish(service, *tasks(1, 1))
            await until_messages(link, link.district.request_queue(GRADES), 2)
            await link.hub.start()
            (found,) = await followed.until_states(ACCEPTED)
        assert found.attempt_count == 1
        assert service.sandbox.ledger.totals().duplicates == 0


async def _drain(link: Linked, queue: str) -> None:
    """Let a hub answer what waits, and end."""
    await link.hub.start()
    await until_empty(link, queue)
    await link.hub.stop()  # once it has answered what it took


async def _until_logged(server: Process, text: str) -> None:
    await _until(lambda: _is(any(text in line for line in server.log)))


async def _is(reached: bool) -> bool:
    return reached


async def _stands(serving: object, state: int) -> bool:
    found = await deliveries(serving, MOTHER)  # type: ignore[arg-type]
    return [one.state for one in found] == [state]


async def _until(reached: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if await reached():
                return
            await asyncio.sleep(0.05)
