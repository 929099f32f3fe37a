"""What lets a device count as heard of, what does not, and what becomes of one that is silent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path

from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import update

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2, delivery_pb2
from schoolbell.v1.device_service_pb2 import (
    RETIREMENT_REASON_STALE,
    Device,
    GetDeviceRequest,
    GetNotificationRequest,
    SendTestNotificationRequest,
    UpdateDeviceRequest,
)
from schoolbell.v1.status_service_pb2 import ListDeliveriesRequest
from schoolbell.v1.subscription_pb2 import Subscription
from schoolbell.v1.subscription_service_pb2 import GetSubscriptionsRequest
from schoolbell_storage.codec import to_micros
from schoolbell_storage.tables import device as devices
from tests.service.asking import about, explain
from tests.service.following import following
from tests.service.held import hold_grades
from tests.service.receipts import receipt, report
from tests.service.scene import (
    FATHER,
    MOTHER,
    STUDENT,
    deliveries,
    grade,
    listed,
    phone,
    populate,
    publish,
    register,
    subscribe,
)
from tests.service.stored import facts_version, stored
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import databases

DAY = dt.timedelta(days=1)
ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
HELD = delivery_pb2.DELIVERY_STATE_HELD
CANCELLED = delivery_pb2.DELIVERY_STATE_CANCELLED


async def silence(service: Whole, names: Iterable[Device], days: int) -> None:
    """Let devices not have been heard of for so many days."""
    then = dt.datetime.now(dt.UTC) - days * DAY
    async with stored(service) as storage, storage.write() as connection:
        await connection.execute(
            update(devices)
            .where(devices.c.device_id.in_([one.device_id for one in names]))
            .values(last_seen_time=to_micros(then))
        )


async def known(service: Whole, user_id: str) -> dict[str, Device]:
    """Return a user's devices by their ids, the retired ones too."""
    return {one.device_id: one for one in await listed(service, user_id, retired=True)}


@databases()
async def test_what_an_app_does_is_heard_and_what_its_backend_does_is_not(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        phones = await register(service, *(phone(MOTHER, number=one) for one in range(6)))
        async with following(service) as followed:
            await publish(service, grade("g1", 65))
            told = await followed.until_states(*[ACCEPTED] * 6)
        delivery = {one.device_id: one.delivery_id for one in told}
        await silence(service, phones, 10)
        before, facts = await known(service, MOTHER), await facts_version(service)
        updated, page, saved, fetched, receipted, quiet = phones
        mine = {"district_id": DISTRICT, "user_id": MOTHER}
        async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
            await backend.devices.UpdateDevice(
                UpdateDeviceRequest(
                    **mine,
                    device_id=updated.device_id,
                    device=Device(stay_logged_in=True),
                    update_mask=FieldMask(paths=["stay_logged_in"]),
                )
            )
            await backend.subscriptions.GetSubscriptions(
                GetSubscriptionsRequest(
                    district_id=DISTRICT, user_id=page.user_id, device_id=page.device_id
                )
            )
            await backend.devices.GetNotification(
                GetNotificationRequest(**mine, delivery_id=delivery[fetched.device_id])
            )
            await backend.devices.GetDevice(GetDeviceRequest(**mine, device_id=quiet.device_id))
            await backend.devices.SendTestNotification(
                SendTestNotificationRequest(**mine, device_id=quiet.device_id)
            )
        await report(service, receipt(delivery[receipted.device_id]))
        facts_between = await facts_version(service)
        kept = Subscription(student_id=STUDENT, kind=common_pb2.KIND_GRADE, enabled=True)
        await subscribe(service, saved, kept)
        await service.stop()
        await service.start()
        after = await known(service, MOTHER)
        seen = {one for one in after if after[one].last_seen_time != before[one].last_seen_time}
        assert seen == {p.device_id for p in phones} - {quiet.device_id}
        assert {after[one].last_seen_time.ToDatetime(dt.UTC) for one in seen} <= today()
        assert {after[one].etag for one in seen} == {before[one].etag for one in seen}
        assert facts_between == facts
        await check_keys(service)


def today() -> set[dt.datetime]:
    """Return when this day began; just after midnight a test may have begun on the one before."""
    now = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return {now - DAY, now}


async def check_keys(service: Whole) -> None:
    """Check that only keys that were shown have a last use, and that it is a day."""
    async with service.client() as operator:
        answer = await operator.access.ListApiKeys(access.ListApiKeysRequest(district_id=DISTRICT))
    used = {one.role: one for one in answer.api_keys if one.HasField("last_use_time")}
    assert set(used) == {
        access.ROLE_PUBLISHER,
        access.ROLE_MOBILE_BACKEND,
        access.ROLE_MONITOR,
        access.ROLE_ADMINISTRATOR,
    }
    assert {one.last_use_time.ToDatetime(dt.UTC) for one in used.values()} <= today()


@databases()
async def test_a_device_silent_for_too_long_is_told_nothing_until_it_registers_again(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await hold_grades(service)
        mothers, fathers = await register(service, phone(MOTHER), phone(FATHER))
        await publish(service, grade("g1", 65))
        token = await position(service)
        await silence(service, [mothers], 271)
        await silence(service, [fathers], 269)
        await service.stop()
        await service.start()  # silent devices are looked for at once, and then every hour
        async with following(service, token) as followed:
            await followed.until(lambda found: CANCELLED in {one.state for one in found})
        assert [one.state for one in await deliveries(service, MOTHER)] == [CANCELLED]
        assert [one.state for one in await deliveries(service, FATHER)] == [HELD]
        assert not (await known(service, FATHER))[fathers.device_id].HasField("retirement")
        retired = (await known(service, MOTHER))[mothers.device_id]
        assert retired.retirement.reason == RETIREMENT_REASON_STALE
        (answer,) = (await explain(service, about("g1", user_id=MOTHER))).recipients
        usable = next(
            row for row in answer.devices[0].gates if row.gate == common_pb2.GATE_DEVICE_USABLE
        )
        assert usable.reason == common_pb2.REFUSAL_REASON_DEVICE_RETIRED
        assert "STALE" in {fact.value for fact in usable.facts}
        (again,) = await register(service, phone(MOTHER))
        assert again.device_id == mothers.device_id
        assert not again.HasField("retirement")
        await publish(service, grade("g2", 60))
        assert HELD in {one.state for one in await deliveries(service, MOTHER)}


async def position(service: Whole) -> str:
    """Return where the status log stands."""
    async with service.client(access.ROLE_MONITOR) as monitor:
        answer = await monitor.status.ListDeliveries(ListDeliveriesRequest(district_id=DISTRICT))
    return answer.resume_token
