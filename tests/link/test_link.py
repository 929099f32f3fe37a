"""Deliveries through a hub: each reaches its phone once, and its outcome comes back."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from pathlib import Path

from aio_pika import Message
from google.protobuf.duration_pb2 import Duration

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import delivery_pb2
from schoolbell.v1.device_service_pb2 import SendTestNotificationRequest
from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.faults import Endpoint, Fault
from schoolbell_server.config.broker import LinkConfig, LinkPayload
from schoolbell_server.config.topology import DEAD_LETTER_QUEUE, lane_key
from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.link.broker import connect
from schoolbell_server.security.sealing import HubKeys
from tests.link.linked import linked
from tests.link.waiting import until_empty, until_messages, until_passed_on, waiting_bodies
from tests.service.following import following
from tests.service.held import grade_settings
from tests.service.scene import (
    MOTHER,
    STUDENT,
    listed,
    phone,
    populate,
    publish,
    register,
    tasks,
    token_of,
)
from tests.service.whole import DISTRICT, Whole

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
REJECTED = delivery_pb2.DELIVERY_STATE_REJECTED
EXPIRED = delivery_pb2.DELIVERY_STATE_EXPIRED
GRADES = 4
"""The number of the lane of grades."""


async def test_what_a_hub_answers_is_what_a_provider_answered(
    tmp_path: Path, broker: Broker
) -> None:
    """Acceptance, a dead token, trouble that passes, and a test notification."""
    async with linked(tmp_path, broker) as link:
        service, ledger = link.service, link.service.sandbox.ledger
        await populate(service)
        (student,) = await register(service, phone(STUDENT))
        await register(service, phone(MOTHER, ios=False))
        async with following(service) as followed:
            await publish(service, *tasks(1, 1))
            found = await followed.until_states(ACCEPTED, ACCEPTED)
            assert [ledger.count(one.delivery_id) for one in found] == [1, 1]
            assert [one.attempt_count for one in found] == [1, 1]

            async with service.client(access.ROLE_ADMINISTRATOR) as client:
                tested = await client.devices.SendTestNotification(
                    SendTestNotificationRequest(
                        district_id=DISTRICT, user_id=STUDENT, device_id=student.device_id
                    )
                )
            assert tested.attempt.outcome == delivery_pb2.OUTCOME_ACCEPTED
            assert tested.provider_message_id

            _apple(link.service, Effect(status=503, reason="ServiceUnavailable"), times=1)
            await publish(service, *tasks(2, 1))
            found = await followed.until_states(*[ACCEPTED] * 4)
            assert sorted(one.attempt_count for one in found) == [1, 1, 1, 2]

            _apple(link.service, Effect(status=410, reason="Unregistered"), times=1)
            await publish(service, *tasks(3, 1))
            await followed.until_states(*[ACCEPTED] * 5, REJECTED)
        assert await listed(service, STUDENT) == [], "the dead token retired its device"
        assert ledger.totals().duplicates == 0


async def test_a_server_that_restarts_hears_what_became_of_what_it_passed_on(
    tmp_path: Path, broker: Broker
) -> None:
    async with linked(tmp_path, broker, started=False) as link:
        service, ledger = link.service, link.service.sandbox.ledger
        await populate(service)
        await register(service, phone(STUDENT), phone(MOTHER, ios=False))
        await publish(service, *tasks(1, 3))
        await until_passed_on(link, link.district.request_queue(GRADES), 6)
        await service.stop()
        await link.hub.start()
        await until_empty(link, link.district.request_queue(GRADES))
        await service.start()
        async with following(service) as followed:
            found = await followed.until_states(*[ACCEPTED] * 6)
        assert {one.attempt_count for one in found} == {1}
        assert ledger.totals().duplicates == 0


async def test_what_expires_while_the_hub_is_away_is_expired_and_the_rest_is_late(
    tmp_path: Path, broker: Broker
) -> None:
    async with linked(tmp_path, broker, started=False) as link:
        service = link.service
        await populate(service)
        await register(service, phone(STUDENT))
        async with following(service) as followed:
            await grade_settings(service, time_to_live=Duration(seconds=5))
            await publish(service, *tasks(1, 1))
            await followed.until(lambda found: len(found) == 1)
            await grade_settings(service)
            await publish(service, *tasks(2, 1))
            # Where this takes five seconds, the first has expired before it left: it is all one.
            await until_passed_on(link, link.district.request_queue(GRADES), 1)
            soon = min(followed.deliveries.values(), key=lambda one: one.create_time.seconds)
            left = soon.expire_time.ToDatetime(tzinfo=dt.UTC) - dt.datetime.now(dt.UTC)
            await asyncio.sleep(max(left.total_seconds(), 0))  # it is about time itself
            await link.hub.start()
            await followed.until_states(EXPIRED, ACCEPTED)
        assert service.sandbox.ledger.totals().accepted == 1


async def test_the_district_may_seal_what_crosses(tmp_path: Path, broker: Broker) -> None:
    key = HubKeys(tmp_path / "hub" / "keys").public_key

    def sealed(link: LinkConfig) -> LinkConfig:
        return replace(link, payload=LinkPayload.SEALED, hub_key=key)

    async with linked(tmp_path, broker, adapt=sealed, started=False) as link:
        service = link.service
        await populate(service)
        phones = phone(STUDENT), phone(MOTHER, ios=False)
        await register(service, *phones)
        async with following(service) as followed:
            await publish(service, *tasks(1, 1))
            await until_passed_on(link, link.district.request_queue(GRADES), 2)
            stored = b"".join(await waiting_bodies(link, link.district.request_queue(GRADES)))
            assert all(name.encode() in stored for name in followed.deliveries)
            for secret in (b"Algebra", *(token_of(one).encode() for one in phones)):
                assert secret not in stored
            await link.hub.start()
            await followed.until_states(ACCEPTED, ACCEPTED)
        arrivals = service.sandbox.ledger.since()
        assert any("Algebra" in "".join(arrival.text) for arrival in arrivals)
        contents = [arrival.content for arrival in arrivals]
        told = [content.get("message", {}).get("data", content) for content in contents]
        assert [keys["detail_level"] for keys in told] == ["DETAILED", "DETAILED"]


async def test_the_district_may_let_generic_texts_only_cross(
    tmp_path: Path, broker: Broker
) -> None:
    def generic(link: LinkConfig) -> LinkConfig:
        return replace(link, payload=LinkPayload.GENERIC)

    async with linked(tmp_path, broker, adapt=generic) as link:
        service = link.service
        await populate(service)
        await register(service, phone(STUDENT))
        async with following(service) as followed:
            await publish(service, *tasks(1, 1))
            await followed.until_states(ACCEPTED)
        (arrival,) = service.sandbox.ledger.since()
        title, body = arrival.text
        assert "Algebra" not in title + body
        assert "80" not in title + body
        assert arrival.content["detail_level"] == "GENERIC"


async def test_a_message_that_nobody_can_read_is_set_aside_and_stops_nothing(
    tmp_path: Path, broker: Broker
) -> None:
    async with linked(tmp_path, broker) as link:
        service = link.service
        await populate(service)
        await register(service, phone(STUDENT))
        config = service.config.link
        assert config is not None
        connection = await connect(config)
        async with connection, connection.channel() as channel:
            exchange = await channel.get_exchange(link.district.exchange, ensure=False)
            for body in (b"\xff\xff\xff", b""):
                await exchange.publish(Message(body), lane_key(GRADES))
        await until_messages(link, DEAD_LETTER_QUEUE, 2)
        async with following(service) as followed:
            await publish(service, *tasks(1, 1))
            await followed.until_states(ACCEPTED)


def _apple(service: Whole, effect: Effect, times: int) -> None:
    """Let Apple answer so to the student's phone."""
    fault = Fault(
        endpoint=Endpoint.APNS, effect=effect, address=token_of(phone(STUDENT)), times=times
    )
    service.sandbox.faults.add(fault)
