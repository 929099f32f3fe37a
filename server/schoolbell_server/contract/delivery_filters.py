"""The one filter of deliveries: as a query for lists, as a test for streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from typing import TypeVar

from schoolbell.v1 import delivery_pb2
from schoolbell_server.contract.fields import Complain, read_time
from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.kinds import DeliveryState, Gate, Kind
from schoolbell_storage.delivery_queries import DeliveryQuery

MOST_VALUES = 100
_FIELDS = (
    "change_keys",
    "student_ids",
    "user_ids",
    "device_ids",
    "kinds",
    "states",
    "gates",
)
_Member = TypeVar("_Member", bound=IntEnum)

Test = Callable[[delivery_pb2.Delivery], bool]


def read_filter(
    message: delivery_pb2.DeliveryFilter,
    district_ids: Sequence[str] | None,
    complain: Complain,
) -> DeliveryQuery:
    """Return the filter as a query over these districts (None: all of them)."""
    for field in _FIELDS:
        count = len(getattr(message, field))
        if count > MOST_VALUES:
            complain(f"filter.{field}", f"must have at most {MOST_VALUES} values, has {count}")
    start = end = None
    if message.HasField("start_update_time"):
        start = read_time(message.start_update_time, "filter.start_update_time", complain)
    if message.HasField("end_update_time"):
        end = read_time(message.end_update_time, "filter.end_update_time", complain)
    return DeliveryQuery(
        district_ids=district_ids,
        keys=[ChangeKey(source=key.source, change_id=key.change_id) for key in message.change_keys],
        student_ids=list(message.student_ids),
        user_ids=list(message.user_ids),
        device_ids=list(message.device_ids),
        kinds=_members(Kind, message.kinds, "filter.kinds", complain),
        states=_members(DeliveryState, message.states, "filter.states", complain),
        gates=_members(Gate, message.gates, "filter.gates", complain),
        start_time=start,
        end_time=end,
    )


def names_something(message: delivery_pb2.DeliveryFilter) -> bool:
    """Return whether a filter says at least whose, what or which deliveries are meant."""
    return any(
        (
            message.change_keys,
            message.student_ids,
            message.user_ids,
            message.device_ids,
            message.kinds,
        )
    )


def write_test(query: DeliveryQuery) -> Test | None:
    """Return the filter as a test of a snapshot; None where it lets everything through."""
    keys = {(key.source, key.change_id) for key in query.keys}
    tests: list[Test] = [
        test
        for wanted, test in (
            (keys, lambda one: (one.change_key.source, one.change_key.change_id) in keys),
            (query.student_ids, lambda one: one.student_id in query.student_ids),
            (query.user_ids, lambda one: one.user_id in query.user_ids),
            (query.device_ids, lambda one: one.device_id in query.device_ids),
            (query.kinds, lambda one: one.kind in query.kinds),
            (query.states, lambda one: one.state in query.states),
            (query.gates, lambda one: one.cancellation.gate in query.gates),
        )
        if wanted
    ]
    if query.start_time is not None or query.end_time is not None:
        tests.append(_within(query))
    return (lambda one: all(test(one) for test in tests)) if tests else None


def _within(query: DeliveryQuery) -> Test:
    start = None if query.start_time is None else query.start_time.timestamp()
    end = None if query.end_time is None else query.end_time.timestamp()

    def test(one: delivery_pb2.Delivery) -> bool:
        time = one.update_time.seconds + one.update_time.nanos / 1e9
        return (start is None or time >= start) and (end is None or time < end)

    return test


def _members(
    enum: type[_Member], numbers: Iterable[int], path: str, complain: Complain
) -> list[_Member]:
    found = []
    for index, number in enumerate(numbers):
        if number in enum._value2member_map_:
            found.append(enum(number))
        else:
            complain(f"{path}[{index}]", f"has no member with the number {number}")
    return found
