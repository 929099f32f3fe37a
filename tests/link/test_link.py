"""Deliveries through a hub: each reaches its phone once, and its outcome comes back."""

from __future__ import annotations

from pathlib import Path

from schoolbell.v1 import delivery_pb2
from schoolbell_server.demo.rabbitmq.broker import Broker
from tests.link.linked import linked
from tests.service.following import following
from tests.service.scene import MOTHER, STUDENT, phone, populate, publish, register, tasks

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED


async def test_a_delivery_through_the_hub_is_accepted_once(tmp_path: Path, broker: Broker) -> None:
    async with linked(tmp_path, broker) as link:
        service = link.service
        await populate(service)
        await register(service, phone(STUDENT), phone(MOTHER, ios=False))
        async with following(service) as followed:
            await publish(service, *tasks(1, 1))
            found = await followed.until_states(ACCEPTED, ACCEPTED)
        assert [service.sandbox.ledger.count(one.delivery_id) for one in found] == [1, 1]
        assert [len(one.attempts) for one in found] == [1, 1]
