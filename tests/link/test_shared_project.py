"""Behind a hub districts share Google's project: one device's trouble is nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from schoolbell.v1 import status_pb2
from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.faults import Endpoint, Fault
from schoolbell_server.demo.rabbitmq.broker import Broker
from tests.link.linked import Linked, linked
from tests.link.test_link_status import until_link
from tests.service.following import following
from tests.service.scene import MOTHER, phone, populate, publish, register, tasks, token_of
from tests.service.test_throttled import ONE_DEVICE, PROJECT, all_tried


def google_answers(link: Linked, effect: Effect, address: str = "") -> None:
    fault = Fault(endpoint=Endpoint.FCM, effect=effect, address=address)
    link.service.sandbox.faults.add(fault)


async def test_a_projects_quota_is_trouble_of_the_districts_link(
    tmp_path: Path, broker: Broker
) -> None:
    async with linked(tmp_path, broker) as link:
        await populate(link.service)
        await register(link.service, phone(MOTHER, ios=False))
        google_answers(link, PROJECT)
        await publish(link.service, *tasks(1, 1))
        state = await until_link(link, lambda one: one.trouble == status_pb2.LINK_TROUBLE_THROTTLED)
    (one,) = state.links
    assert one.connectivity == status_pb2.CONNECTIVITY_DEGRADED
    assert one.reason == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize(("effect", "stands"), ONE_DEVICE)
async def test_what_is_wrong_with_one_device_holds_no_other_up(
    tmp_path: Path, broker: Broker, effect: Effect, stands: int
) -> None:
    async with linked(tmp_path, broker) as link:
        await populate(link.service)
        bad, good = (phone(MOTHER, ios=False, number=number) for number in (1, 2))
        await register(link.service, bad, good)
        google_answers(link, effect, token_of(bad))
        async with following(link.service) as followed:
            await publish(link.service, *tasks(1, 3))
            await followed.until(lambda found: all_tried(found, stands))
        state = await until_link(link, lambda one: True)
        assert state.links[0].circuit == status_pb2.CIRCUIT_CLOSED
        assert state.links[0].trouble == 0
