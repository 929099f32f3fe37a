"""A hostile district that knows another's deliveries by name, and a hub that believes the queue."""

from __future__ import annotations

import datetime as dt
import uuid
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from aio_pika import Message
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import text

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import delivery_pb2
from schoolbell.v1.status_service_pb2 import ListDeliveriesRequest
from schoolbell_server.config.broker import LinkConfig
from schoolbell_server.config.topology import WITHDRAWALS_KEY, lane_key
from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.domain.timing import LONGEST_LIFE
from schoolbell_server.hub.service import open_ledger
from schoolbell_server.link.broker import connect
from schoolbell_server.link.v1 import link_pb2
from schoolbell_storage.codec import from_micros
from schoolbell_storage.hub_ledger import KEPT
from tests.link.enrolled import enroll, some_district
from tests.link.linked import Linked, linked
from tests.link.waiting import until_empty, until_messages, until_passed_on
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
            await until_passed_on(link, link.district.request_queue(GRADES), 1)
            name = await _delivery_of(service)
            await _send(hostile, WITHDRAWALS_KEY, _withdrawal(name).SerializeToString())
            await _send(hostile, lane_key(0), _batch(name).SerializeToString())  # goes first
            await link.hub.start()
            (found,) = await followed.until_states(ACCEPTED)
        assert found.attempt_count == 1
        assert service.sandbox.ledger.count(name) == 1


async def test_what_a_message_says_beside_its_body_changes_nothing(
    tmp_path: Path, broker: Broker
) -> None:
    """Neither who answers whom, nor what goes first, nor how often it was tried."""
    hostile = await enroll(broker, tmp_path, some_district())
    async with linked(tmp_path, broker, started=False) as link:
        victim = link.district
        death = {"queue": victim.request_queue(GRADES), "reason": "rejected", "count": 2**31}
        said: tuple[dict[str, Any], ...] = (
            {"reply_to": victim.outcomes_queue, "correlation_id": victim.district},
            {"priority": 255, "headers": {"x-priority": 255, "x-delivery-count": 2**40}},
            {"headers": {"x-death": [death], "x-first-death-queue": victim.outcomes_queue}},
            {"headers": {"CC": [victim.district], "BCC": [victim.outcomes_queue]}},
            {"content_type": "application/json", "content_encoding": "gzip", "type": "withdrawal"},
            {"app_id": victim.user, "message_id": "x" * 255, "headers": {"x": "y" * 100_000}},
        )
        for properties in said:
            body = _batch(str(uuid.uuid4())).SerializeToString()
            await _send(hostile, lane_key(0), body, **properties)
        await link.hub.start()
        await until_messages(link, hostile.topology.outcomes_queue, len(said))
        service = link.service
        await populate(service)
        await register(service, phone(STUDENT))
        async with following(service) as followed:
            await publish(service, *tasks(1, 1))
            await followed.until_states(ACCEPTED)


async def test_times_at_the_end_of_the_calendar_stop_no_hub(tmp_path: Path, broker: Broker) -> None:
    hostile = await enroll(broker, tmp_path, some_district())
    end = Timestamp(seconds=253402300799)  # the last that there is: 9999-12-31T23:59:59Z
    begin = Timestamp(seconds=-62135596800)  # and the first
    async with linked(tmp_path, broker, started=False) as link:
        service = link.service
        await populate(service)
        await register(service, phone(STUDENT))
        for judged, expires in ((end, end), (begin, end), (begin, begin)):
            batch, withdrawal = _batch(str(uuid.uuid4())), _withdrawal(str(uuid.uuid4()))
            for one in (batch.deliveries[0], withdrawal.withdrawals[0]):
                one.judge_time.CopyFrom(judged)
                one.expire_time.CopyFrom(expires)
            await _send(hostile, lane_key(0), batch.SerializeToString())
            await _send(hostile, WITHDRAWALS_KEY, withdrawal.SerializeToString())
        # Before an attempt all withdrawals are written, so the last answer says that they are.
        await _send(hostile, lane_key(0), _batch(str(uuid.uuid4())).SerializeToString())
        await link.hub.start()
        async with following(service) as followed:
            await publish(service, *tasks(1, 1))
            await followed.until_states(ACCEPTED)
        await until_messages(link, hostile.topology.outcomes_queue, 4)
        kept = await _longest_kept(link)  # stops the hub: what it did not settle is back
        for queue in (hostile.topology.request_queue(0), hostile.topology.withdrawals_queue):
            await until_empty(link, queue)
        assert kept < dt.datetime.now(dt.UTC) + LONGEST_LIFE + 2 * KEPT


async def _longest_kept(link: Linked) -> dt.datetime:
    """Return when the last row of the ledger goes."""
    async with AsyncExitStack() as stack:
        await link.hub.stop()
        ledger = await open_ledger(link.hub.config, stack)
        async with ledger.read() as connection:
            statement = text(
                "SELECT max(drop_time) FROM (SELECT drop_time FROM hub_attempt"
                " UNION ALL SELECT drop_time FROM hub_withdrawal)"
            )
            return from_micros((await connection.execute(statement)).scalar_one())


async def _delivery_of(service: Whole) -> str:
    async with service.client(access.ROLE_MONITOR) as monitor:
        request = ListDeliveriesRequest(district_id=DISTRICT)
        (found,) = (await monitor.status.ListDeliveries(request)).deliveries
        return found.delivery_id


async def _send(link: LinkConfig, key: str, body: bytes, **properties: Any) -> None:
    async with await connect(link) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(link.topology.exchange, ensure=False)
        await exchange.publish(Message(body, **properties), key, mandatory=True)


def _withdrawal(name: str) -> link_pb2.Withdrawals:
    one = link_pb2.Withdrawal(delivery_id=name, judge_time=_in_an_hour(), expire_time=_in_an_hour())
    return link_pb2.Withdrawals(withdrawals=[one])


def _batch(name: str) -> link_pb2.Batch:
    """Return the same attempt at the same delivery, to another phone."""
    one = link_pb2.Delivery(
        delivery_id=name, attempt=1, judge_time=_in_an_hour(), expire_time=_in_an_hour()
    )
    content = link_pb2.Content(app_id="district-student", platform=1, environment=1, address="ab")
    one.content.CopyFrom(content)
    return link_pb2.Batch(deliveries=[one])


def _in_an_hour() -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))
    return moment
