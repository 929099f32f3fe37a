"""A whole service under many faults at once: every delivery settles.

Duplicates are allowed only where an answer was lost.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import delivery_pb2
from schoolbell.v1.delivery_pb2 import Delivery
from schoolbell.v1.status_service_pb2 import GetDeliveryRequest
from schoolbell_sandbox.effect import Closing, Effect, GoAway, LastStream
from schoolbell_sandbox.faults import Endpoint, Fault
from tests.service.following import following
from tests.service.scene import FATHER, MOTHER, STUDENT, phone, populate, publish, register, tasks
from tests.service.whole import DISTRICT, Whole, whole

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
UNCERTAIN = delivery_pb2.DELIVERY_STATE_UNCERTAIN
UNKNOWN = delivery_pb2.OUTCOME_ANSWER_LOST
CHANGES = 60
REFUSED, INTERNAL = 7, 2

TROUBLE = [
    Fault(effect=Effect(reset=REFUSED, processed=False), every=5, times=20),
    Fault(effect=Effect(goaway=GoAway(last_stream=LastStream.BELOW)), first=7, every=11, times=5),
    Fault(effect=Effect(reset=INTERNAL), first=9, every=13, times=3),
    Fault(effect=Effect(close=Closing.ABORT), first=40, times=1),
    Fault(effect=Effect(status=503, body="<html>"), first=11, every=17, times=3),
    Fault(effect=Effect(status=429, reason="", body="slow down"), first=23, times=1),
]


@pytest.mark.parametrize("endpoint", [Endpoint.APNS, Endpoint.FCM])
async def test_every_delivery_settles_and_only_lost_answers_double(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        ios = endpoint is Endpoint.APNS
        await register(service, *(phone(name, ios=ios) for name in (MOTHER, FATHER, STUDENT)))
        for fault in TROUBLE:
            service.sandbox.faults.add(
                Fault(
                    endpoint=endpoint,
                    effect=fault.effect,
                    first=fault.first,
                    every=fault.every,
                    times=fault.times,
                )
            )
        async with following(service) as followed:
            await publish(service, *tasks(0, CHANGES))
            settled = {ACCEPTED, UNCERTAIN}
            await followed.until(
                lambda found: len(found) == 3 * CHANGES and {one.state for one in found} <= settled
            )
            found = list(followed.deliveries.values())
        duplicates = service.sandbox.ledger.duplicates()
        for delivery in found:
            count = service.sandbox.ledger.count(delivery.delivery_id)
            assert count >= 1 or delivery.state == UNCERTAIN
            if delivery.delivery_id in duplicates:
                assert await _lost_an_answer(service, delivery)


async def _lost_an_answer(service: Whole, delivery: Delivery) -> bool:
    async with service.client(access.ROLE_MONITOR) as monitor:
        answer = await monitor.status.GetDelivery(
            GetDeliveryRequest(district_id=DISTRICT, delivery_id=delivery.delivery_id)
        )
    return any(one.outcome == UNKNOWN for one in answer.delivery.attempts)
