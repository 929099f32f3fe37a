"""The one filter of deliveries: as a query for lists, as a test for streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from schoolbell.v1 import delivery_pb2
from schoolbell_server.contract.fields import ReportViolation
from schoolbell_server.contract.filters import check_counts, read_bound, read_members, within
from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.kinds import CancelCause, DeliveryState, Gate, Kind, Outcome
from schoolbell_storage.delivery_queries import DeliveryQuery

_NAMING = (
    "change_keys",
    "student_ids",
    "user_ids",
    "device_ids",
    "kinds",
    "calendar_ids",
    "school_ids",
    "sources",
)
"""The fields that say whose, what or which deliveries are meant."""
_FIELDS = (*_NAMING, "states", "gates", "outcomes", "cancel_causes", "app_ids")
MUST_NAME = "must name a change, student, user, device, kind, calendar, school or source"

Test = Callable[[delivery_pb2.Delivery], bool]
Schools = Mapping[tuple[str, str], str]
"""The schools of calendars, by (district_id, calendar_id)."""


def read_filter(
    message: delivery_pb2.DeliveryFilter,
    district_ids: Sequence[str] | None,
    report: ReportViolation,
    path: str = "filter",
) -> DeliveryQuery:
    """Return the filter as a query over these districts (None: all of them)."""
    check_counts(message, _FIELDS, path, report)
    return DeliveryQuery(
        district_ids=district_ids,
        keys=[ChangeKey(source=key.source, change_id=key.change_id) for key in message.change_keys],
        student_ids=list(message.student_ids),
        user_ids=list(message.user_ids),
        device_ids=list(message.device_ids),
        kinds=read_members(Kind, message.kinds, f"{path}.kinds", report),
        states=read_members(DeliveryState, message.states, f"{path}.states", report),
        gates=read_members(Gate, message.gates, f"{path}.gates", report),
        calendar_ids=list(message.calendar_ids),
        school_ids=list(message.school_ids),
        sources=list(message.sources),
        outcomes=read_members(Outcome, message.outcomes, f"{path}.outcomes", report),
        cancel_causes=read_members(
            CancelCause, message.cancel_causes, f"{path}.cancel_causes", report
        ),
        app_ids=list(message.app_ids),
        start_time=read_bound(message, "start_update_time", path, report),
        end_time=read_bound(message, "end_update_time", path, report),
        start_create_time=read_bound(message, "start_create_time", path, report),
        end_create_time=read_bound(message, "end_create_time", path, report),
    )


def names_something(message: delivery_pb2.DeliveryFilter) -> bool:
    """Return whether a filter says at least whose, what or which deliveries are meant."""
    return any(getattr(message, field) for field in _NAMING)


def write_test(query: DeliveryQuery, schools: Schools) -> Test | None:
    """Return the filter as a test of a snapshot; None where it lets everything through.

    `schools` is asked at every test: it has to know the calendars of what is tested.
    """
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
            (query.calendar_ids, lambda one: one.calendar_id in query.calendar_ids),
            (query.school_ids, lambda one: schools.get(_calendar(one)) in query.school_ids),
            (query.sources, lambda one: one.change_key.source in query.sources),
            (query.outcomes, lambda one: one.last_attempt.outcome in query.outcomes),
            (query.cancel_causes, lambda one: one.cancellation.cause in query.cancel_causes),
            (query.app_ids, lambda one: one.app_id in query.app_ids),
        )
        if wanted
    ]
    if query.start_time or query.end_time:
        tests.append(lambda one: within(one.update_time, query.start_time, query.end_time))
    if query.start_create_time or query.end_create_time:
        span = query.start_create_time, query.end_create_time
        tests.append(lambda one: within(one.create_time, *span))
    return (lambda one: all(test(one) for test in tests)) if tests else None


def _calendar(one: delivery_pb2.Delivery) -> tuple[str, str]:
    return one.district_id, one.calendar_id
