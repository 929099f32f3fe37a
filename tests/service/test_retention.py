"""What retention must not break, through a whole service: repetition, crossing, resuming."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import select, update

from schoolbell.errors import NotFound, OutOfRange
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2, delivery_pb2, settings_service_pb2, subscription_pb2
from schoolbell.v1.change_service_pb2 import (
    PUBLISH_RESULT_ACCEPTED,
    PUBLISH_RESULT_DUPLICATE,
    GetChangeRequest,
)
from schoolbell.v1.status_service_pb2 import ListDeliveriesRequest, WatchStatusRequest
from schoolbell_server.background.stopping import Stop
from schoolbell_server.config import RetentionConfig
from schoolbell_server.maintenance.janitor import Janitor
from schoolbell_server.observability.metrics import Metrics
from schoolbell_storage.tables import audit_entry
from tests.service.following import PATIENCE, following
from tests.service.scene import (
    MOTHER,
    STUDENT,
    grade,
    phone,
    populate,
    publish,
    register,
    subscribe,
)
from tests.service.stored import stored
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import databases

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
DAY = dt.timedelta(days=1)


USUAL = RetentionConfig()


async def tidy(service: Whole, days: float, config: RetentionConfig = USUAL) -> None:
    """Let the janitor make a round as if so many days had passed."""
    then = dt.datetime.now(dt.UTC) + days * DAY
    async with stored(service) as storage:
        await Janitor(storage, config, Metrics(), lambda: then).round(Stop())


async def keep_changes(service: Whole, days: int) -> None:
    kept = settings_service_pb2.Retention(changes=Duration(seconds=days * 86400))
    await service.configure(retention=kept)


@databases()
async def test_a_change_published_again_is_a_duplicate_on_day_34_and_new_on_day_37(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await keep_changes(service, 1)
        one = grade("g1", 90)
        (first,) = await publish(service, one)
        await tidy(service, 34)
        async with service.client(access.ROLE_PUBLISHER) as publisher:
            with pytest.raises(NotFound):
                await publisher.changes.GetChange(
                    GetChangeRequest(district_id=DISTRICT, key=one.key)
                )
        (again,) = await publish(service, one)
        assert again.ack.result == PUBLISH_RESULT_DUPLICATE
        assert again.resume_token == first.resume_token
        await tidy(service, 37)
        (later,) = await publish(service, one)
        assert later.ack.result == PUBLISH_RESULT_ACCEPTED


@databases()
async def test_a_key_stays_as_long_as_its_change(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        one = grade("g1", 90)
        await publish(service, one)
        await tidy(service, 399)
        (again,) = await publish(service, one)
        assert again.ack.result == PUBLISH_RESULT_DUPLICATE


@databases()
async def test_a_grades_previous_value_is_known_to_the_end_of_the_year(
    database: str, tmp_path: Path
) -> None:
    """The scene's year ends in 150 days; a fall below the limit is told once until it is over."""
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        wanted = subscription_pb2.Subscription(
            student_id=STUDENT, kind=common_pb2.KIND_GRADE, enabled=True
        )
        wanted.condition.grade.below_percent = 70
        await subscribe(service, device, wanted)
        async with following(service) as followed:
            await publish(service, grade("g1", 68))
            await followed.until(lambda found: [one.state for one in found] == [ACCEPTED])
        await tidy(service, 150 + 89)
        await publish(service, grade("g2", 65))
        assert await told(service) == []
        await tidy(service, 150 + 92)
        await publish(service, grade("g3", 64))
        assert await told(service) == ["g3"]


async def told(service: Whole) -> list[str]:
    """Return the changes of which there are deliveries, newest first."""
    async with service.client(access.ROLE_MONITOR) as monitor:
        found = await monitor.status.ListDeliveries(ListDeliveriesRequest(district_id=DISTRICT))
    return [one.change_key.change_id for one in found.deliveries]


@databases()
async def test_a_position_whose_log_is_gone_is_refused_and_a_live_watch_goes_on(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await register(service, phone(STUDENT))
        async with following(service) as followed:
            (first,) = await publish(service, grade("g1", 90))
            await followed.until(lambda found: [one.state for one in found] == [ACCEPTED])
            await tidy(service, 4)
            await publish(service, grade("g2", 80))
            await followed.until(lambda found: len(found) == 2)
            async with asyncio.timeout(PATIENCE), service.client(access.ROLE_MONITOR) as monitor:
                request = WatchStatusRequest(district_id=DISTRICT, resume_token=first.resume_token)
                with pytest.raises(OutOfRange) as refused:
                    await anext(monitor.watch(request))
            assert refused.value.reason == "RESUME_TOKEN_EXPIRED"
            oldest = refused.value.metadata["oldest_resume_token"]
            request = WatchStatusRequest(district_id=DISTRICT, resume_token=oldest)
            async with asyncio.timeout(PATIENCE), service.client(access.ROLE_MONITOR) as monitor:
                async for response in monitor.watch(request):
                    told = {one.change_key.change_id for one in response.deliveries}
                    if told:
                        break
            assert told == {"g2"}


@databases()
async def test_everything_is_answered_while_rounds_go_on(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await register(service, phone(STUDENT))
        async with following(service) as followed:
            done = asyncio.Event()

            async def rounds() -> int:
                made = 0
                while not done.is_set():
                    # A watcher has seen no less for it: the log is kept longer than that.
                    await tidy(service, 60, RetentionConfig(status_log=90 * DAY))
                    made += 1
                return made

            janitor = asyncio.create_task(rounds())
            for number in range(20):
                (answer,) = await publish(service, grade(f"g{number}", 50 + number))
                assert answer.ack.result == PUBLISH_RESULT_ACCEPTED
            done.set()
            assert await janitor > 0
            await followed.until(lambda found: len(found) == 20)


async def test_a_server_tidies_up_by_itself(tmp_path: Path) -> None:
    often = RetentionConfig(interval=dt.timedelta(seconds=1))
    async with whole(tmp_path, adapt=lambda config: replace(config, retention=often)) as service:
        await service.create_district()
        async with stored(service) as storage:
            async with storage.write() as connection:
                aged = update(audit_entry).where(audit_entry.c.target == "settings")
                entries = await connection.execute(aged.values(create_time=0))
                assert entries.rowcount == 1
            kept = select(audit_entry.c.target).where(audit_entry.c.target == "settings")
            async with asyncio.timeout(PATIENCE):
                left = True
                while left:
                    await asyncio.sleep(0.05)
                    async with storage.read() as connection:
                        left = (await connection.execute(kept)).first() is not None
