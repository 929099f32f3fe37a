"""Callers are told which rule each bad field breaks, in a sentence that names the field."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import BadRequest
from google.type.money_pb2 import Money
from grpc_status import rpc_status

from schoolbell import AsyncClient
from schoolbell.errors import FieldError, InvalidArgument
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import (
    change_pb2,
    change_service_pb2,
    common_pb2,
    district_service_pb2,
    roster_service_pb2,
    settings_service_pb2,
    status_service_pb2,
)
from schoolbell.v1.delivery_pb2 import DeliveryFilter
from schoolbell.v1.error_reason_pb2 import FieldErrorReason
from schoolbell_server.security.permissions import RULES
from tests.service.scene import MOTHER, STUDENT, grade, phone, populate, register
from tests.service.whole import DISTRICT, Whole, whole
from tests.unit.contract import methods

Call = Callable[[AsyncClient], Awaitable[Any]]


@dataclass(frozen=True)
class Case:
    """A call that breaks one rule."""

    role: access.Role.ValueType
    call: Call
    field: str
    text: str


def listing(**fields: Any) -> Call:
    request = status_service_pb2.ListDeliveriesRequest(district_id=DISTRICT, **fields)
    return lambda client: client.status.ListDeliveries(request)


def lunch() -> change_pb2.Change:
    change = change_pb2.Change(student_id=STUDENT)
    change.key.source, change.key.change_id = "sis", "lunch-1"
    change.occur_time.GetCurrentTime()
    change.lunch_balance.account_id = "a"
    change.lunch_balance.balance.CopyFrom(Money(currency_code="EUR", units=5))
    return change


def publishing(change: change_pb2.Change) -> Call:
    request = change_service_pb2.PublishChangeRequest(district_id=DISTRICT, change=change)
    return lambda client: client.changes.PublishChange(request)


def showing(**fields: Any) -> Call:
    options = settings_service_pb2.DisplayOptions(**fields.pop("display_options", {}))
    request = settings_service_pb2.UpdateDisplayOptionsRequest(
        district_id=DISTRICT, display_options=options, **fields
    )
    return lambda client: client.settings.UpdateDisplayOptions(request)


def android() -> Call:
    request = phone(MOTHER)
    request.device.platform = common_pb2.PLATFORM_ANDROID
    return lambda client: client.devices.RegisterDevice(request)


def finding(query: str) -> Call:
    request = roster_service_pb2.ListUsersRequest(district_id=DISTRICT, query=query)
    return lambda client: client.roster.ListUsers(request)


def deleting(confirmed: str) -> Call:
    request = district_service_pb2.DeleteDistrictRequest(
        district_id=DISTRICT, confirm_district_id=confirmed
    )
    return lambda client: client.districts.DeleteDistrict(request)


def asking(delivery_id: str) -> Call:
    request = status_service_pb2.GetDeliveryRequest(district_id=DISTRICT, delivery_id=delivery_id)
    return lambda client: client.status.GetDelivery(request)


UNKNOWN: Any = 77
CASES = {
    "REQUIRED": Case(access.ROLE_MONITOR, asking(""), "delivery_id", "is required"),
    "TOO_LONG": Case(
        access.ROLE_MONITOR,
        asking("x" * 129),
        "delivery_id",
        "must be 1 to 128 printable characters without surrounding space",
    ),
    "TOO_SHORT": Case(
        access.ROLE_ADMINISTRATOR, finding("a"), "query", "must have at least 2 characters, or none"
    ),
    "OUT_OF_RANGE": Case(
        access.ROLE_MONITOR,
        listing(page_size=1001),
        "page_size",
        "must be from 0 to 1000, is 1001",
    ),
    "UNKNOWN_ENUM_NUMBER": Case(
        access.ROLE_MONITOR,
        listing(filter=DeliveryFilter(kinds=[UNKNOWN])),
        "filter.kinds[0]",
        "has no member with the number 77",
    ),
    "BAD_FORMAT": Case(
        access.ROLE_MONITOR,
        asking("a\0"),
        "delivery_id",
        "must be 1 to 128 printable characters without surrounding space",
    ),
    "WRONG_CURRENCY": Case(
        access.ROLE_PUBLISHER,
        publishing(lunch()),
        "lunch_balance.balance.currency_code",
        "must be USD, the district's currency",
    ),
    "DUPLICATE": Case(
        access.ROLE_ADMINISTRATOR,
        showing(calendar_ids=["a", "a"], display_options={"enabled": True}),
        "calendar_ids",
        "must name each at most once",
    ),
    "IMMUTABLE": Case(
        access.ROLE_MOBILE_BACKEND,
        android(),
        "device.platform",
        "is IOS and cannot be changed",
    ),
    "NOT_ALLOWED": Case(
        access.ROLE_ADMINISTRATOR,
        showing(calendar_ids=["a"], display_options={"enabled": True, "calendar_id": "a"}),
        "display_options.calendar_id",
        "must be empty; calendar_ids names them",
    ),
    "INCONSISTENT": Case(
        access.ROLE_OPERATOR,
        deleting("elsewhere"),
        "confirm_district_id",
        "must repeat the district_id",
    ),
}


async def test_each_reason_reaches_the_caller(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, phone(MOTHER))
        for reason, case in CASES.items():
            async with service.client(case.role) as client:
                with pytest.raises(InvalidArgument) as refused:
                    await case.call(client)
            sentence = f"{case.field} {case.text}."
            assert refused.value.fields == [FieldError(case.field, sentence, reason)]
            assert str(refused.value) == f"INVALID_ARGUMENT INVALID_FIELD: {sentence}"


def test_every_reason_has_a_case() -> None:
    known = [name.removeprefix("FIELD_ERROR_REASON_") for name in FieldErrorReason.keys()]  # noqa: SIM118
    assert list(CASES) == known[1:]


async def test_the_error_of_a_batchs_item_names_the_reason_too(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        bad = grade("bad", 80)
        bad.grade.section_id = ""
        request = change_service_pb2.BatchPublishChangesRequest(district_id=DISTRICT, changes=[bad])
        async with service.client(access.ROLE_PUBLISHER) as publisher:
            (ack,) = (await publisher.changes.BatchPublishChanges(request)).acks
        details = BadRequest()
        assert any(detail.Unpack(details) for detail in ack.error.details)
        (one,) = details.field_violations
        assert (one.reason, one.description) == ("REQUIRED", "grade.section_id is required.")


async def test_whatever_lacks_all_fields_is_told_of_each(tmp_path: Path) -> None:
    """Every RPC with one request, called with no more than its district."""
    async with whole(tmp_path) as service:
        await populate(service)
        told = 0
        for method in methods():
            if method.client_streaming or "district_id" not in method.input_type.fields_by_name:
                continue
            for one in await _missing(service, method):
                told += 1
                assert one.reason in ("REQUIRED", "TOO_SHORT", "INCONSISTENT"), one
                assert one.description.startswith(f"{one.field} "), one
                assert one.description.endswith("."), one
    assert told > 50


async def _missing(service: Whole, method: MethodDescriptor) -> list[BadRequest.FieldViolation]:
    """Return the bad fields of a call without any; none where the call needs none."""
    name = f"/{method.containing_service.full_name}/{method.name}"
    request: Any = GetMessageClass(method.input_type)(district_id=DISTRICT)
    roles = RULES[name].roles
    connection = service.connection(access.Role.ValueType(min(roles, default=0)))
    async with connection.aio_channel() as channel:
        shape = channel.unary_stream if method.server_streaming else channel.unary_unary
        call: Any = shape(name)(
            request.SerializeToString(), metadata=connection.metadata(), timeout=60
        )
        try:
            await (call.read() if method.server_streaming else call)
        except grpc.aio.AioRpcError as error:
            return _violations(error)
        call.cancel()
    return []


def _violations(error: grpc.aio.AioRpcError) -> list[BadRequest.FieldViolation]:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None
    details = BadRequest()
    found = any(detail.Unpack(details) for detail in status.details)
    return list(details.field_violations) if found else []
