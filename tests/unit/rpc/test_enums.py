"""Unknown enum numbers are found wherever a message can hold one."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message_factory import GetMessageClass

from schoolbell.v1 import (
    change_pb2,
    change_service_pb2,
    delivery_pb2,
    status_service_pb2,
    subscription_pb2,
    subscription_service_pb2,
)
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.enums import check_of
from schoolbell_server.rpc.walk import find

APART = frozenset({"schoolbell.v1.Change"})


def paths(message: Any, **options: Any) -> list[str]:
    return [violation.field for violation in find(message, check_of, **options)]


def test_known_numbers_and_unset_fields_pass() -> None:
    attendance = change_pb2.AttendanceChange(status=change_pb2.ATTENDANCE_STATUS_ABSENT)
    request = change_service_pb2.PublishChangeRequest(
        change=change_pb2.Change(attendance=attendance)
    )
    assert paths(request) == []
    assert paths(change_service_pb2.PublishChangeRequest()) == []


def test_unknown_numbers_are_named_with_their_path() -> None:
    loose: Any = 99
    changes = [
        change_pb2.Change(),
        change_pb2.Change(attendance=change_pb2.AttendanceChange(status=loose, excuse=loose)),
        change_pb2.Change(assignment=change_pb2.AssignmentChange(action=loose)),
    ]
    batch = change_service_pb2.BatchPublishChangesRequest(changes=changes)
    assert paths(batch) == [
        "changes[1].attendance.status",
        "changes[1].attendance.excuse",
        "changes[2].assignment.action",
    ]
    assert paths(batch, apart=APART) == []
    assert paths(changes[2], prefix="changes[2].") == ["changes[2].assignment.action"]
    single = change_service_pb2.PublishChangeRequest(change=changes[2])
    assert paths(single) == ["change.assignment.action"]
    assert paths(single, apart=APART) == []


def test_repeated_enums_are_named_by_index() -> None:
    loose: Any = 1000
    good: Any = 1
    filter_ = delivery_pb2.DeliveryFilter(states=[loose, good, -loose])
    watch = status_service_pb2.WatchStatusRequest(topics=[good, loose], delivery_filter=filter_)
    assert paths(watch) == ["topics[1]", "delivery_filter.states[0]", "delivery_filter.states[2]"]


def test_a_condition_inside_a_oneof_inside_a_list_is_looked_at() -> None:
    loose: Any = 50
    condition = subscription_pb2.GradeCondition(limit_trigger=loose)
    request = subscription_service_pb2.UpdateSubscriptionsRequest(
        subscriptions=[
            subscription_pb2.Subscription(condition=subscription_pb2.Condition(grade=condition))
        ]
    )
    assert paths(request) == ["subscriptions[0].condition.grade.limit_trigger"]


def requests_of_the_contract() -> list[Descriptor]:
    modules = (change_service_pb2, status_service_pb2, subscription_service_pb2)
    return [
        message
        for module in modules
        for message in module.DESCRIPTOR.message_types_by_name.values()
        if message.name.endswith("Request")
    ]


@pytest.mark.parametrize("descriptor", requests_of_the_contract(), ids=lambda d: d.name)
def test_every_enum_field_of_every_request_is_reached(descriptor: Descriptor) -> None:
    for path, message in with_one_wrong(descriptor).items():
        found = [(one.field, one.reason) for one in find(message, check_of)]
        assert found == [(path, reasons.UNKNOWN_ENUM_NUMBER)]


def with_one_wrong(descriptor: Descriptor) -> dict[str, Any]:
    """Return for each enum below a message type, by its path, a message where it is wrong."""
    kind: Any = GetMessageClass(descriptor)
    found: dict[str, Any] = {}
    for field in descriptor.fields:
        inner = field.message_type
        if field.enum_type is not None:
            values: dict[str, Any] = {"": 12345}
        elif inner is not None and not inner.full_name.startswith("google."):
            values = {f".{path}": message for path, message in with_one_wrong(inner).items()}
        else:
            continue
        for rest, value in values.items():
            if field.is_repeated:
                found[f"{field.name}[0]{rest}"] = kind(**{field.name: [value]})
            else:
                found[f"{field.name}{rest}"] = kind(**{field.name: value})
    return found
