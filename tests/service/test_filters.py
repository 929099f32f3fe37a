"""The filters that lists, watches, retries and cancels share."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from schoolbell import AsyncClient
from schoolbell.errors import InvalidArgument
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import (
    change_pb2,
    common_pb2,
    delivery_pb2,
    district_service_pb2,
    roster_pb2,
    settings_service_pb2,
    status_service_pb2,
)
from schoolbell.v1.change_pb2 import Change, ChangeFilter
from schoolbell.v1.change_service_pb2 import ListChangesRequest
from schoolbell.v1.delivery_pb2 import DeliveryFilter
from schoolbell.v1.status_service_pb2 import (
    CancelDeliveriesRequest,
    ListDeliveriesRequest,
    RetryDeliveriesRequest,
    WatchStatusRequest,
    WatchStatusResponse,
)
from schoolbell_server.contract.delivery_filters import names_something
from tests.service.following import PATIENCE
from tests.service.scene import (
    CALENDAR,
    MOTHER,
    SIBLING,
    SOURCE,
    STUDENT,
    absence,
    date,
    grade,
    lunch,
    phone,
    populate,
    publish,
    register,
    today,
    upsert,
)
from tests.service.whole import DISTRICT, PARENT_APP, STUDENT_APP, Whole, whole
from tests.storage.engines import databases

OAK = "oak:2027"
_HOUR = Duration(seconds=3600)
_HALF_YEAR = dt.timedelta(days=150)


async def hold(service: Whole) -> None:
    """Let everything wait for an hour."""
    await service.configure(
        kind_settings=[
            settings_service_pb2.KindSettings(kind=kind, hold=_HOUR)
            for kind in common_pb2.Kind.values()[1:]
        ]
    )


async def second_school(service: Whole) -> None:
    """Let the sibling be at another school."""
    calendar = roster_pb2.Calendar(
        calendar_id=OAK,
        school_id="oak",
        school_year=2027,
        start_date=date(today() - _HALF_YEAR),
        end_date=date(today() + _HALF_YEAR),
    )
    stay = roster_pb2.Enrollment(
        enrollment_id="at-oak",
        student_id=SIBLING,
        calendar_id=OAK,
        start_date=date(today() - _HALF_YEAR),
        portal_visible=True,
    )
    record = roster_pb2.RosterRecord
    await upsert(
        service,
        record(school=roster_pb2.School(school_id="oak", display_name="Oak School")),
        record(calendar=calendar),
        record(enrollment=stay),
    )


def at_oak(change: Change) -> Change:
    """Return a change in the calendar of the other school."""
    change.calendar_id = OAK
    return change


@asynccontextmanager
async def waiting(
    folder: Path, database: str, *, client: access.Role.ValueType = access.ROLE_MONITOR
) -> AsyncIterator[tuple[Whole, AsyncClient]]:
    """Run a service in which deliveries of two schools, sources and kinds wait."""
    async with whole(folder, database=database) as service:
        await populate(service)
        await second_school(service)
        await hold(service)
        await register(service, phone(MOTHER), phone(SIBLING))
        other = grade("g1", 80)
        other.key.source = "vendor"
        await publish(service, absence("a1"), at_oak(absence("a2", SIBLING)), other, lunch("l1", 4))
        async with service.client(client) as chosen:
            yield service, chosen


async def ids(client: AsyncClient, **fields: Any) -> list[str]:
    """Return the changes of the deliveries that a filter finds, sorted."""
    answer = await client.status.ListDeliveries(
        ListDeliveriesRequest(district_id=DISTRICT, filter=DeliveryFilter(**fields))
    )
    return sorted(one.change_key.change_id for one in answer.deliveries)


def stamp(offset: dt.timedelta) -> Timestamp:
    """Return a time so long after now."""
    message = Timestamp()
    message.FromDatetime(dt.datetime.now(dt.UTC) + offset)
    return message


MINUTE = dt.timedelta(minutes=1)


@databases()
async def test_every_field_narrows_a_list(database: str, tmp_path: Path) -> None:
    async with waiting(tmp_path, database) as (_, monitor):
        everything = ["a1", "a2", "a2", "g1", "l1"]
        assert await ids(monitor) == everything
        for fields, expected in (
            ({"calendar_ids": [CALENDAR]}, ["a1", "g1", "l1"]),
            ({"school_ids": ["oak"]}, ["a2", "a2"]),
            ({"school_ids": ["oak", "elm"]}, everything),
            ({"school_ids": ["nowhere"]}, []),
            ({"sources": ["vendor"]}, ["g1"]),
            ({"app_ids": [STUDENT_APP]}, ["a2"]),
            ({"app_ids": [PARENT_APP], "school_ids": ["oak"]}, ["a2"]),
            ({"outcomes": [delivery_pb2.OUTCOME_ACCEPTED]}, []),
            ({"cancel_causes": [delivery_pb2.CANCEL_CAUSE_PERSON]}, []),
            ({"start_create_time": stamp(-MINUTE)}, everything),
            ({"start_create_time": stamp(MINUTE)}, []),
            ({"end_create_time": stamp(MINUTE)}, everything),
            ({"end_create_time": stamp(-MINUTE)}, []),
        ):
            assert await ids(monitor, **fields) == expected, fields
        answer = await monitor.status.ListDeliveries(ListDeliveriesRequest(district_id=DISTRICT))
        assert {one.calendar_id for one in answer.deliveries} == {CALENDAR, OAK}
        assert {one.hold_cause for one in answer.deliveries} == {delivery_pb2.HOLD_CAUSE_WINDOW}
        assert len({one.notification_id for one in answer.deliveries}) == 5


@databases()
async def test_a_mass_false_absence_is_stopped_in_one_school(database: str, tmp_path: Path) -> None:
    """Reproduced: no filter could name a school, and the kind alone is the whole district's."""
    async with waiting(tmp_path, database, client=access.ROLE_ADMINISTRATOR) as (service, client):
        asked = CancelDeliveriesRequest(
            district_id=DISTRICT,
            comment="imported twice",
            filter=DeliveryFilter(school_ids=["oak"], kinds=[common_pb2.KIND_ATTENDANCE]),
            validate_only=True,
        )
        assert (await client.status.CancelDeliveries(asked)).delivery_count == 2
        asked.validate_only = False
        assert (await client.status.CancelDeliveries(asked)).delivery_count == 2
        person: dict[str, Any] = {"cancel_causes": [delivery_pb2.CANCEL_CAUSE_PERSON]}
        assert await ids(client, **person) == ["a2", "a2"]
        answer = await client.status.ListDeliveries(
            ListDeliveriesRequest(district_id=DISTRICT, filter=DeliveryFilter(**person))
        )
        for one in answer.deliveries:
            assert one.cancellation.comment == "imported twice"
            who = one.cancellation.principal
            assert who.type == common_pb2.PRINCIPAL_TYPE_API_KEY
            assert who.id == service.key(access.ROLE_ADMINISTRATOR).split("_")[1]
            assert who.acting_user_id == "principal"
        left = delivery_pb2.DELIVERY_STATE_HELD
        assert await ids(client, states=[left]) == ["a1", "g1", "l1"]


@pytest.mark.parametrize(
    "naming",
    [
        {"calendar_ids": [OAK]},
        {"school_ids": ["oak"]},
        {"sources": ["vendor"]},
        {"device_ids": ["d"]},
    ],
)
def test_a_cancel_may_name_these(naming: dict[str, Any]) -> None:
    assert names_something(DeliveryFilter(**naming))


async def test_a_cancel_that_names_nothing_and_too_many_values_are_refused(
    tmp_path: Path,
) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            for vague in (
                {},
                {"states": [delivery_pb2.DELIVERY_STATE_HELD]},
                {"app_ids": [PARENT_APP]},
                {"outcomes": [delivery_pb2.OUTCOME_NOT_SENT]},
                {"start_create_time": stamp(-MINUTE)},
            ):
                with pytest.raises(InvalidArgument) as refused:
                    await client.status.CancelDeliveries(
                        CancelDeliveriesRequest(
                            district_id=DISTRICT,
                            filter=DeliveryFilter(**vague),
                        )
                    )
                (of_filter, of_comment) = refused.value.fields
                assert (of_filter.path, of_comment.path) == ("filter", "comment")
                assert "school" in of_filter.text
            many = [f"x{number}" for number in range(101)]
            for field in ("calendar_ids", "school_ids", "sources", "app_ids"):
                chosen = DeliveryFilter(**{field: many})  # type: ignore[arg-type]
                for call in (
                    client.status.ListDeliveries(
                        ListDeliveriesRequest(district_id=DISTRICT, filter=chosen)
                    ),
                    client.status.RetryDeliveries(
                        RetryDeliveriesRequest(district_id=DISTRICT, filter=chosen)
                    ),
                ):
                    with pytest.raises(InvalidArgument) as refused:
                        await call
                    assert [one.path for one in refused.value.fields] == [f"filter.{field}"]
            for fields, path in (
                ({"outcomes": [77]}, "delivery_filter.outcomes[0]"),
                ({"cancel_causes": [1, 77]}, "delivery_filter.cancel_causes[1]"),
                ({"end_create_time": Timestamp(seconds=10**15)}, "delivery_filter.end_create_time"),
            ):
                with pytest.raises(InvalidArgument) as refused:
                    async for _ in client.watch(
                        WatchStatusRequest(
                            district_id=DISTRICT,
                            delivery_filter=DeliveryFilter(**fields),
                        )
                    ):
                        pass
                assert [one.path for one in refused.value.fields] == [path]
            with pytest.raises(InvalidArgument) as refused:
                async for _ in client.watch(
                    WatchStatusRequest(
                        district_id=DISTRICT,
                        change_filter=ChangeFilter(sources=many, student_ids=many),
                    )
                ):
                    pass
            paths = [one.path for one in refused.value.fields]
            assert paths == ["change_filter.sources", "change_filter.student_ids"]


@asynccontextmanager
async def watching(
    client: AsyncClient, **fields: Any
) -> AsyncIterator[asyncio.Queue[WatchStatusResponse]]:
    """Watch from now on while the block runs."""
    responses: asyncio.Queue[WatchStatusResponse] = asyncio.Queue()

    async def watch() -> None:
        async for response in client.watch(WatchStatusRequest(**fields)):
            await responses.put(response)

    task = asyncio.create_task(watch())
    try:
        await asyncio.wait_for(responses.get(), PATIENCE)
        yield responses
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


CHANGES = status_service_pb2.WATCH_TOPIC_CHANGES
DELIVERIES = status_service_pb2.WATCH_TOPIC_DELIVERIES


@databases()
async def test_a_monitor_sees_that_something_changed_and_not_what_it_says(
    database: str, tmp_path: Path
) -> None:
    """Reproduced: whole changes were streamed, comments included."""
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await register(service, phone(MOTHER))
        marked = absence("a1")
        marked.attendance.comment = "was seen at the mall"
        async with (
            service.client(access.ROLE_MONITOR) as monitor,
            watching(monitor, district_id=DISTRICT, topics=[CHANGES]) as responses,
        ):
            await publish(service, marked, grade("g1", 41.25))
            found: list[change_pb2.ChangeSummary] = []
            raw = b""
            while len(found) < 2:
                response = await asyncio.wait_for(responses.get(), PATIENCE)
                raw += response.SerializeToString()
                found += response.changes
        assert b"mall" not in raw
        assert b"Algebra" not in raw
        first = found[0]
        assert (first.change_key.change_id, first.student_id) == ("a1", STUDENT)
        assert (first.kind, first.delivery_count) == (common_pb2.KIND_ATTENDANCE, 1)
        assert {one.scope for one in first.refusals} == {common_pb2.GATE_SCOPE_RECIPIENT}


@databases()
async def test_a_watch_is_narrowed_by_both_filters(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await second_school(service)
        await hold(service)
        await register(service, phone(MOTHER))
        async with (
            service.client(access.ROLE_MONITOR) as monitor,
            watching(
                monitor,
                district_id="-",
                topics=[CHANGES, DELIVERIES],
                delivery_filter=DeliveryFilter(school_ids=["oak"]),
                change_filter=ChangeFilter(
                    student_ids=[STUDENT],
                    kinds=[common_pb2.KIND_GRADE],
                    sources=[SOURCE],
                    start_accept_time=stamp(-MINUTE),
                    end_accept_time=stamp(10 * MINUTE),
                ),
            ) as responses,
        ):
            await publish(service, absence("a1"), grade("g1", 80), at_oak(absence("a2", SIBLING)))
            changes: list[str] = []
            deliveries: list[str] = []
            while not deliveries:
                response = await asyncio.wait_for(responses.get(), PATIENCE)
                changes += [one.change_key.change_id for one in response.changes]
                deliveries += [one.change_key.change_id for one in response.deliveries]
        assert (changes, deliveries) == (["g1"], ["a2"])


@databases()
async def test_changes_of_every_readable_district_are_listed(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        async with service.client() as operator:
            await operator.districts.CreateDistrict(
                district_service_pb2.CreateDistrictRequest(
                    district_id="oak-county",
                    district=district_service_pb2.District(
                        display_name="Oak County",
                        time_zone="UTC",
                        locale="en",
                        currency_code="USD",
                        licensed_kinds=[common_pb2.KIND_GRADE],
                        app_ids=[PARENT_APP],
                    ),
                )
            )
        await publish(service, *(grade(f"g{number}", 80) for number in range(5)), absence("a1"))
        async with service.client(access.ROLE_PUBLISHER) as publisher:
            found: list[str] = []
            request = ListChangesRequest(
                district_id="-",
                page_size=2,
                filter=ChangeFilter(kinds=[common_pb2.KIND_GRADE], sources=[SOURCE]),
            )
            while True:
                answer = await publisher.changes.ListChanges(request)
                assert {one.district_id for one in answer.records} == {DISTRICT}
                found += [one.change.key.change_id for one in answer.records]
                if not answer.next_page_token:
                    break
                request.page_token = answer.next_page_token
            assert found == ["g4", "g3", "g2", "g1", "g0"]
            with pytest.raises(InvalidArgument) as refused:
                await publisher.changes.ListChanges(
                    ListChangesRequest(
                        district_id="-", filter=ChangeFilter(student_ids=["x"] * 101)
                    )
                )
            assert [one.path for one in refused.value.fields] == ["filter.student_ids"]
