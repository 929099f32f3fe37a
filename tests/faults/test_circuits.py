"""A circuit in the running service: what it keeps is HELD, spends nothing, and comes back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import update

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2, delivery_pb2, status_pb2
from schoolbell.v1.delivery_pb2 import Delivery
from schoolbell.v1.status_service_pb2 import WATCH_TOPIC_STATE, WatchStatusRequest
from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.faults import Endpoint, Fault
from schoolbell_sandbox.listener import PortMode
from schoolbell_storage.tables import delivery
from tests.service.following import PATIENCE, Followed, following
from tests.service.held import grade_settings
from tests.service.sandbox.unread import unread
from tests.service.scene import (
    FATHER,
    MOTHER,
    STUDENT,
    phone,
    populate,
    publish,
    register,
    status_of,
    tasks,
    token_of,
)
from tests.service.stored import stored
from tests.service.whole import DISTRICT, FAST, PARENT_APP, TOPICS, Whole, whole
from tests.storage.engines import databases

HELD = delivery_pb2.DELIVERY_STATE_HELD
ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
EXPIRED = delivery_pb2.DELIVERY_STATE_EXPIRED
APNS, FCM = common_pb2.PROVIDER_APNS, common_pb2.PROVIDER_FCM
OPEN = {status_pb2.CIRCUIT_OPEN, status_pb2.CIRCUIT_HALF_OPEN}
IOS = [pytest.param(True, id="apns"), pytest.param(False, id="fcm")]


async def until(followed: Followed, user_id: str, state: int, count: int) -> Sequence[Delivery]:
    """Wait until a user's deliveries are so many, all in a state."""

    def theirs() -> list[Delivery]:
        return [one for one in followed.deliveries.values() if one.user_id == user_id]

    await followed.until(lambda _: [one.state for one in theirs()] == [state] * count)
    return theirs()


async def counted(service: Whole, held: int) -> status_pb2.ServiceState:
    """Wait until the backlog is so many held deliveries of one lane, and none that is late."""
    async with asyncio.timeout(PATIENCE):
        while True:
            now = await status_of(service)
            if [(lane.pending_count, lane.held_count) for lane in now.backlog] == [(0, held)]:
                assert not now.backlog[0].HasField("oldest_due_time")
                return now
            await asyncio.sleep(0.1)


async def circuit(
    service: Whole, provider: common_pb2.Provider.ValueType
) -> status_pb2.Circuit.ValueType:
    """Return the circuit of the parents' way to a provider."""
    links = (await status_of(service)).links
    return next(
        link.circuit for link in links if (link.app_id, link.provider) == (PARENT_APP, provider)
    )


async def until_circuit(service: Whole, wanted: int) -> None:
    """Wait until the status shows the parents' way to Apple as it is wanted."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if await circuit(service, common_pb2.PROVIDER_APNS) == wanted:
                return
            await asyncio.sleep(0.05)


@databases()
@pytest.mark.parametrize("ios", IOS)
async def test_while_a_provider_is_down_deliveries_are_held_and_come_back_by_themselves(
    ios: bool, database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await register(service, phone(MOTHER, ios=ios), phone(FATHER, ios=not ios))
        here, there = (APNS, FCM) if ios else (FCM, APNS)
        listener = service.sandbox.listener(Endpoint.APNS if ios else Endpoint.FCM)
        async with following(service) as followed:
            await listener.set_mode(PortMode.REFUSING)
            listener.cut()
            await publish(service, *tasks(0, 1))
            (first,) = await until(followed, MOTHER, HELD, 1)
            await publish(service, *tasks(1, 20))
            held = await until(followed, MOTHER, HELD, 21)
            assert {one.attempt_count for one in held if one.change_key != first.change_key} == {0}
            await until(followed, FATHER, ACCEPTED, 21)  # by the other provider, meanwhile
            assert await circuit(service, here) in OPEN
            assert await circuit(service, there) == status_pb2.CIRCUIT_CLOSED
            await listener.set_mode(PortMode.SERVING)
            told = await until(followed, MOTHER, ACCEPTED, 21)
        assert max(one.attempt_count for one in told) <= first.attempt_count + 1
        assert await circuit(service, here) == status_pb2.CIRCUIT_CLOSED
        assert service.sandbox.ledger.totals().duplicates == 0


async def test_an_outage_of_many_trials_spends_no_attempts(tmp_path: Path) -> None:
    """Probes are rare, so the trials are deliveries; there is one attempt more than opens it."""
    patient = replace(
        FAST,
        probe_interval=timedelta(hours=1),
        attempt_budget=6,
        attempt_timeout=timedelta(seconds=PATIENCE),
    )
    async with whole(tmp_path, delivery=patient) as service:
        await populate(service)
        await register(service, phone(MOTHER))
        service.sandbox.faults.add(
            Fault(endpoint=Endpoint.APNS, effect=Effect(status=503, reason="ServiceUnavailable"))
        )
        async with following(service) as followed:
            await publish(service, *tasks(0, 1))
            (first,) = await until(followed, MOTHER, HELD, 1)
            assert first.attempt_count == 5
            await publish(service, *tasks(1, 10))
            held = await until(followed, MOTHER, HELD, 11)
            written = sum(one.revision for one in held)
            asked = service.sandbox.faults.counts()[0][1]
            # Each trial that fails is written.
            await followed.until(lambda found: sum(one.revision for one in found) >= written + 1)
            assert service.sandbox.faults.counts()[0][1] > asked
            assert await circuit(service, common_pb2.PROVIDER_APNS) in OPEN
            service.sandbox.faults.clear()
            with unread(service.sandbox.listener(Endpoint.APNS)):
                await until_circuit(service, status_pb2.CIRCUIT_HALF_OPEN)
            told = await until(followed, MOTHER, ACCEPTED, 11)
        assert max(one.attempt_count for one in told) <= 6
        await until_circuit(service, status_pb2.CIRCUIT_CLOSED)


@databases()
async def test_refused_credentials_hold_one_app_only_and_show(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await register(service, phone(MOTHER), phone(STUDENT))
        refused = Effect(status=403, reason="InvalidProviderToken")
        service.sandbox.faults.add(
            Fault(endpoint=Endpoint.APNS, effect=refused, topic=TOPICS[PARENT_APP])
        )
        async with following(service) as followed:
            await publish(service, *tasks(0, 10))
            held = await until(followed, MOTHER, HELD, 10)
            assert {one.attempt_count for one in held} == {0}
            await until(followed, STUDENT, ACCEPTED, 10)
            now = await counted(service, held=10)
            assert status_pb2.WARNING_CODE_CREDENTIAL_REFUSED in {one.code for one in now.warnings}
            assert now.connectivity == status_pb2.CONNECTIVITY_DEGRADED
            service.sandbox.faults.clear()
            await until(followed, MOTHER, ACCEPTED, 10)


async def test_one_of_apples_environments_is_held_and_the_other_goes_on(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        released, built = phone(MOTHER), phone(FATHER)
        released.address.apns.environment = common_pb2.PROVIDER_ENVIRONMENT_PRODUCTION
        await register(service, released, built)
        down, address = Effect(status=503, reason="ServiceUnavailable"), token_of(released)
        service.sandbox.faults.add(Fault(endpoint=Endpoint.APNS, effect=down, address=address))
        async with following(service) as followed:
            await publish(service, *tasks(0, 1))
            await until(followed, MOTHER, HELD, 1)
            await publish(service, *tasks(1, 10))
            held = await until(followed, MOTHER, HELD, 11)
            assert sum(one.attempt_count for one in held) < 2 * FAST.attempt_budget
            await until(followed, FATHER, ACCEPTED, 11)
            assert await circuit(service, common_pb2.PROVIDER_APNS) in OPEN
            service.sandbox.faults.clear()
            await until(followed, MOTHER, ACCEPTED, 11)


async def test_what_is_held_expires_at_its_time(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, phone(MOTHER))
        await grade_settings(service, time_to_live=Duration(seconds=3600))
        await service.sandbox.listener(Endpoint.APNS).set_mode(PortMode.REFUSING)
        service.sandbox.listener(Endpoint.APNS).cut()
        async with following(service) as followed:
            await publish(service, *tasks(0, 5))
            held = await until(followed, MOTHER, HELD, 5)
            for one in held:
                life = one.expire_time.ToDatetime() - one.create_time.ToDatetime()
                assert timedelta(0) < life <= timedelta(hours=1)
            await let_an_hour_pass(service)
            ended = await until(followed, MOTHER, EXPIRED, 5)
        assert max(one.attempt_count for one in ended) < FAST.attempt_budget


async def let_an_hour_pass(service: Whole) -> None:
    """Let the time of every delivery come an hour sooner."""
    async with stored(service) as storage, storage.write() as connection:
        hour = timedelta(hours=1) // timedelta(microseconds=1)
        await connection.execute(update(delivery).values(expire_time=delivery.c.expire_time - hour))


async def test_a_watcher_sees_the_circuit_open_and_close(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with whole(tmp_path) as service:
        await populate(service)
        seen: list[int] = []
        try:
            async with asyncio.timeout(PATIENCE):
                await watch_an_outage(service, seen)
        except TimeoutError:
            raise AssertionError(f"the circuit was seen as {seen}, and no more") from None
        assert seen[-1] == status_pb2.CIRCUIT_CLOSED
        async with asyncio.timeout(PATIENCE):  # it is said at the next look at all circuits
            while not _logged(caplog, "circuit closed"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


def _logged(caplog: pytest.LogCaptureFixture, message: str) -> bool:
    return any(one.getMessage() == message for one in caplog.records)


async def watch_an_outage(service: Whole, seen: list[int]) -> None:
    """Cause an outage of Apple, end it, and note the circuit until it has closed again."""
    listener = service.sandbox.listener(Endpoint.APNS)
    request = WatchStatusRequest(district_id=DISTRICT, topics=[WATCH_TOPIC_STATE])
    async with service.client(access.ROLE_MONITOR) as monitor:
        async for response in monitor.watch(request):
            links = [link for one in response.states for link in one.links]
            seen += [
                one.circuit
                for one in links
                if (one.app_id, one.provider) == (PARENT_APP, common_pb2.PROVIDER_APNS)
            ]
            if seen == [status_pb2.CIRCUIT_CLOSED]:
                await listener.set_mode(PortMode.REFUSING)
                listener.cut()
            elif seen and seen[-1] in OPEN:
                await listener.set_mode(PortMode.SERVING)
            elif seen and status_pb2.CIRCUIT_OPEN in seen:
                break
