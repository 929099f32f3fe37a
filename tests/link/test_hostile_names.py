"""A hostile district that knows another's deliveries by name, and a hub that believes the queue."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from aio_pika import Message
from google.protobuf.timestamp_pb2 import Timestamp

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import delivery_pb2
from schoolbell.v1.status_service_pb2 import ListDeliveriesRequest
from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.link.broker import connect
from schoolbell_server.link.settings import LinkConfig
from schoolbell_server.link.topology import WITHDRAWALS_KEY, lane_key
from schoolbell_server.link.v1 import link_pb2
from tests.link.enrolled import enroll, some_district
from tests.link.linked import linked
from tests.link.waiting import until_waiting
from tests.service.following import following
from tests.service.scene import STUDENT, phone, populate, publish, register, tasks
from tests.service.whole import DISTRICT, Whole

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
GRADES = 4


async def test_another_districts_delivery_is_neither_withdrawn_nor_answered_for(
    tmp_path: Path, broker: Broker
) -> None:
    hostile = await enroll(broker, tmp_path, some_district())
    async with linked(tmp_path, broker, started=False) as link:
        service = link.service
        await populate(service)
        await register(service, phone(STUDENT))
        async with following(service) as followed:
            await publish(service, *tasks(1, 1))
            await until_waiting(link, link.district.request_queue(GRADES), 1)
            name = await _delivery_of(service)
            await _send(hostile, WITHDRAWALS_KEY, _withdrawal(name).SerializeToString())
            await _send(hostile, lane_key(0), _batch(name).SerializeToString())  # goes first
            await link.hub.start()
            (found,) = await followed.until_states(ACCEPTED)
        assert found.attempt_count == 1
        assert service.sandbox.ledger.count(name) == 1


async def _delivery_of(service: Whole) -> str:
    async with service.client(access.ROLE_MONITOR) as monitor:
        request = ListDeliveriesRequest(district_id=DISTRICT)
        (found,) = (await monitor.status.ListDeliveries(request)).deliveries
        return found.delivery_id


async def _send(link: LinkConfig, key: str, body: bytes) -> None:
    async with await connect(link) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(link.topology.exchange, ensure=False)
        await exchange.publish(Message(body), key, mandatory=True)


def _withdrawal(name: str) -> link_pb2.Withdrawals:
    one = link_pb2.Withdrawal(delivery_id=name, judge_time=_in_an_hour(), expire_time=_in_an_hour())
    return link_pb2.Withdrawals(withdrawals=[one])


def _batch(name: str) -> link_pb2.Batch:
    """Return the same attempt at the same delivery, without anything to send."""
    one = link_pb2.Delivery(
        delivery_id=name, attempt=1, judge_time=_in_an_hour(), expire_time=_in_an_hour()
    )
    return link_pb2.Batch(deliveries=[one])


def _in_an_hour() -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))
    return moment
