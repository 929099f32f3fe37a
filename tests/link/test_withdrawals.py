"""What a district forbids before the hub takes it is not sent; what was sent is said to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import delivery_pb2
from schoolbell.v1.delivery_pb2 import DeliveryFilter
from schoolbell.v1.status_service_pb2 import CancelDeliveriesRequest
from schoolbell_server.demo.rabbitmq.broker import Broker
from tests.link.linked import Linked, linked
from tests.link.unconfirmed import let_no_publish_be_confirmed
from tests.link.waiting import until_empty, until_messages, until_passed_on
from tests.service.following import following
from tests.service.scene import MOTHER, STUDENT, phone, populate, publish, register, tasks
from tests.service.whole import DISTRICT

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
CANCELLED = delivery_pb2.DELIVERY_STATE_CANCELLED
GRADES = 4


async def _switch_off(link: Linked) -> None:
    await link.service.configure(enabled=False)


async def _cancel(link: Linked) -> None:
    async with link.service.client(access.ROLE_ADMINISTRATOR) as administrator:
        await administrator.status.CancelDeliveries(
            CancelDeliveriesRequest(
                district_id=DISTRICT,
                filter=DeliveryFilter(user_ids=[STUDENT, MOTHER]),
                comment="a wrong gradebook",
            )
        )


@pytest.mark.parametrize("forbid", [_switch_off, _cancel])
async def test_what_is_forbidden_before_the_hub_takes_it_is_not_sent(
    tmp_path: Path, broker: Broker, forbid: object
) -> None:
    async with linked(tmp_path, broker, started=False) as link:
        service = link.service
        await populate(service)
        await register(service, phone(STUDENT), phone(MOTHER, ios=False))
        async with following(service) as followed:
            await publish(service, *tasks(1, 2))
            await until_passed_on(link, link.district.request_queue(GRADES), 4)
            await forbid(link)  # type: ignore[operator]
            await until_messages(link, link.district.withdrawals_queue, 1)
            await link.hub.start()
            await followed.until_states(*[CANCELLED] * 4)
        assert service.sandbox.ledger.totals().accepted == 0


async def test_what_the_broker_has_without_having_said_so_is_withdrawn_too(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_no_publish_be_confirmed(monkeypatch)
    async with linked(tmp_path, broker, started=False) as link:
        service = link.service
        await populate(service)
        await register(service, phone(STUDENT))
        queue = link.district.request_queue(GRADES)
        async with following(service) as followed:
            await publish(service, *tasks(1, 1))
            await until_messages(link, queue, 1)
            await _cancel(link)
            await followed.until_states(CANCELLED)
        await until_messages(link, link.district.withdrawals_queue, 1)
        await link.hub.start()
        await until_empty(link, queue)
        await link.hub.stop()  # once it has answered what it took
        assert service.sandbox.ledger.totals().accepted == 0


async def test_what_is_allowed_again_is_sent_once(tmp_path: Path, broker: Broker) -> None:
    async with linked(tmp_path, broker, started=False) as link:
        service = link.service
        await populate(service)
        await register(service, phone(STUDENT))
        async with following(service) as followed:
            await publish(service, *tasks(1, 1))
            await until_passed_on(link, link.district.request_queue(GRADES), 1)
            await service.configure(enabled=False)
            await until_messages(link, link.district.withdrawals_queue, 1)
            await service.configure(enabled=True)
            await link.hub.start()
            (found,) = await followed.until_states(ACCEPTED)
        assert found.attempt_count == 1
        assert service.sandbox.ledger.count(found.delivery_id) == 1


async def test_what_was_sent_before_it_was_forbidden_stays_accepted(
    tmp_path: Path, broker: Broker
) -> None:
    async with linked(tmp_path, broker) as link:
        service = link.service
        await populate(service)
        await register(service, phone(STUDENT))
        async with following(service) as followed:
            await publish(service, *tasks(1, 1))
            await followed.until_states(ACCEPTED)
            await _switch_off(link)
            await _cancel(link)
            await followed.until_states(ACCEPTED)
