"""What phones say of their notifications: each receipt by itself, and rank never falls."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import pytest

from schoolbell.errors import InvalidArgument, from_status
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import delivery_pb2
from schoolbell.v1.device_service_pb2 import (
    RECEIPT_EVENT_DISPLAYED,
    RECEIPT_EVENT_OPENED,
    Receipt,
    ReportReceiptsResponse,
)
from schoolbell.v1.status_service_pb2 import GetDeliveryRequest
from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.faults import Endpoint, Fault
from tests.service.following import PATIENCE, following
from tests.service.held import hold_grades
from tests.service.receipts import now, receipt, report
from tests.service.scene import (
    FATHER,
    MOTHER,
    STUDENT,
    deliveries,
    grade,
    phone,
    populate,
    publish,
    register,
)
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import databases

HELD = delivery_pb2.DELIVERY_STATE_HELD
ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
DISPLAYED = delivery_pb2.DELIVERY_STATE_DISPLAYED
OPENED = delivery_pb2.DELIVERY_STATE_OPENED
REJECTED = delivery_pb2.DELIVERY_STATE_REJECTED


def states(answer: ReportReceiptsResponse) -> list[int]:
    assert not any(result.HasField("error") for result in answer.results)
    return [result.state for result in answer.results]


def reasons(answer: ReportReceiptsResponse) -> list[str]:
    return [
        from_status(result.error).reason if result.HasField("error") else ""
        for result in answer.results
    ]


async def read(service: Whole, delivery_id: str) -> delivery_pb2.Delivery:
    async with service.client(access.ROLE_MONITOR) as monitor:
        answer = await monitor.status.GetDelivery(
            GetDeliveryRequest(district_id=DISTRICT, delivery_id=delivery_id)
        )
    return answer.delivery


async def accepted(service: Whole) -> delivery_pb2.Delivery:
    """Publish a grade and return the mother's delivery once Apple has taken it."""
    await register(service, phone(MOTHER))
    async with following(service) as followed:
        await publish(service, grade("g1", 68))
        (delivery,) = await followed.until_states(ACCEPTED)
    return delivery


@databases()
async def test_receipts_lift_a_delivery_and_are_streamed(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        delivery = await accepted(service)
        seen, opened = now() - dt.timedelta(seconds=9), now() - dt.timedelta(seconds=5)
        async with following(service) as followed:
            answer = await report(service, receipt(delivery.delivery_id, time=seen))
            assert states(answer) == [DISPLAYED]
            await followed.until_states(DISPLAYED)
            answer = await report(
                service, receipt(delivery.delivery_id, RECEIPT_EVENT_OPENED, opened)
            )
            assert states(answer) == [OPENED]
            (told,) = await followed.until_states(OPENED)
        assert told.revision == delivery.revision + 2
        assert told.display_time.ToDatetime(dt.UTC) == seen
        assert told.open_time.ToDatetime(dt.UTC) == opened


async def test_a_repeated_or_lower_receipt_changes_nothing(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        delivery = await accepted(service)
        name = delivery.delivery_id
        answer = await report(
            service,
            receipt(name, RECEIPT_EVENT_OPENED),
            receipt(name, RECEIPT_EVENT_OPENED),
            receipt(name),
        )
        assert states(answer) == [OPENED] * 3
        opened = await read(service, name)
        assert opened.revision == delivery.revision + 1
        assert opened.display_time == opened.open_time
        assert states(await report(service, receipt(name))) == [OPENED]
        assert await read(service, name) == opened


async def test_a_phone_whose_clock_is_ahead_is_taken_as_now(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        delivery = await accepted(service)
        before = now()
        await report(service, receipt(delivery.delivery_id, time=before + dt.timedelta(days=400)))
        shown = (await read(service, delivery.delivery_id)).display_time.ToDatetime(dt.UTC)
        assert before <= shown <= now()


async def test_a_receipt_without_an_attempt_is_no_news(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await hold_grades(service)
        await register(service, phone(MOTHER))
        await publish(service, grade("g1", 68))
        (delivery,) = await deliveries(service, MOTHER)
        answer = await report(service, receipt(delivery.delivery_id, RECEIPT_EVENT_OPENED))
        assert states(answer) == [HELD]
        assert await deliveries(service, MOTHER) == [delivery]


async def test_a_receipt_corrects_a_provider_that_refused(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, phone(MOTHER))
        service.sandbox.faults.add(
            Fault(
                endpoint=Endpoint.APNS, effect=Effect(status=400, reason="BadCollapseId"), times=1
            )
        )
        async with following(service) as followed:
            await publish(service, grade("g1", 68))
            (delivery,) = await followed.until_states(REJECTED)
            assert states(await report(service, receipt(delivery.delivery_id))) == [DISPLAYED]
            await followed.until_states(DISPLAYED)


async def test_a_receipt_during_an_attempt_whose_answer_is_lost_is_the_last_word(
    tmp_path: Path,
) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, phone(MOTHER))
        ledger = service.sandbox.ledger
        service.sandbox.faults.add(
            Fault(endpoint=Endpoint.APNS, effect=Effect(silent=True), times=1)
        )
        async with following(service) as followed:
            await publish(service, grade("g1", 68))
            async with asyncio.timeout(PATIENCE):
                (arrival,) = await anext(ledger.follow_shown())
            answer = await report(service, receipt(arrival.delivery_id))
            assert states(answer) == [DISPLAYED]
            await followed.until(lambda seen: [one.attempt_count for one in seen] == [1])
        (delivery,) = followed.deliveries.values()
        assert delivery.state == DISPLAYED
        assert delivery.last_attempt.outcome == delivery_pb2.OUTCOME_ANSWER_LOST
        assert ledger.count(delivery.delivery_id) == 1


@databases()
async def test_a_bad_receipt_spoils_no_other(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        name = (await accepted(service)).delivery_id
        timeless = Receipt(delivery_id=name, event=RECEIPT_EVENT_OPENED)
        early = Receipt(delivery_id=name, event=RECEIPT_EVENT_OPENED)
        early.event_time.seconds = -(10**12)
        answer = await report(
            service,
            receipt("nothing"),
            receipt(""),
            receipt("\0"),
            receipt(name, 0),
            receipt(name, 77),
            timeless,
            early,
            receipt(name),
        )
        assert reasons(answer) == ["DELIVERY_NOT_FOUND", *["INVALID_FIELD"] * 6, ""]
        paths = [
            [field.path for field in from_status(result.error).fields]
            for result in answer.results[1:7]
        ]
        assert paths == [
            ["delivery_id"],
            ["delivery_id"],
            ["event"],
            ["event"],
            ["event_time"],
            ["event_time"],
        ]
        assert answer.results[-1].state == DISPLAYED


async def test_another_users_delivery_is_not_there(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        delivery = await accepted(service)
        for user_id in (FATHER, STUDENT, "nobody"):
            answer = await report(service, receipt(delivery.delivery_id), user_id=user_id)
            assert reasons(answer) == ["DELIVERY_NOT_FOUND"]
        unmoved = await read(service, delivery.delivery_id)
        assert (unmoved.state, unmoved.revision) == (ACCEPTED, delivery.revision)


async def test_a_report_has_a_user_and_1_to_500_receipts(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        for count, user_id, field in (
            (0, MOTHER, "receipts"),
            (501, MOTHER, "receipts"),
            (1, "", "user_id"),
        ):
            with pytest.raises(InvalidArgument) as refused:
                await report(service, *[receipt("nothing")] * count, user_id=user_id)
            assert [one.path for one in refused.value.fields] == [field]
        assert len((await report(service, *[receipt("nothing")] * 500)).results) == 500


@databases()
async def test_receipts_at_once_end_at_the_highest(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        delivery = await accepted(service)
        name = delivery.delivery_id
        answers = await asyncio.gather(
            *(
                report(service, receipt(name, event))
                for event in [RECEIPT_EVENT_DISPLAYED, RECEIPT_EVENT_OPENED] * 5
            )
        )
        assert {state for answer in answers for state in states(answer)} <= {DISPLAYED, OPENED}
        last = await read(service, name)
        assert last.state == OPENED
        assert last.revision <= delivery.revision + 2
