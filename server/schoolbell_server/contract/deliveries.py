"""Deliveries as the contract shows them."""

from __future__ import annotations

from collections.abc import Iterable

from schoolbell.v1 import common_pb2, delivery_pb2
from schoolbell_server.contract.fields import write_time
from schoolbell_server.contract.principals import write_principal
from schoolbell_server.domain.delivery import Attempt, Delivery
from schoolbell_server.domain.kinds import APP_PROVIDER, DeliveryState
from schoolbell_server.domain.notification import notification_id


def write_delivery(row: Delivery, *, attempts: bool = False) -> delivery_pb2.Delivery:
    """Return a delivery as a reader sees it, with all its attempts where asked.

    SENDING is derived from a lease, which a reader sees and a stream never carries.
    """
    message = _snapshot(row, DeliveryState.SENDING if row.lease_owner else row.state)
    if attempts:
        message.attempts.extend(_attempts(row.attempts))
    return message


def write_committed(row: Delivery) -> delivery_pb2.Delivery:
    """Return a delivery as a stream carries it: the stored state, whoever leases it."""
    return _snapshot(row, row.state)


def _snapshot(row: Delivery, state: DeliveryState) -> delivery_pb2.Delivery:
    message = delivery_pb2.Delivery(
        district_id=row.district_id,
        delivery_id=row.delivery_id,
        change_key=common_pb2.ChangeKey(source=row.key.source, change_id=row.key.change_id),
        student_id=row.student_id,
        user_id=row.user_id,
        device_id=row.device_id,
        app_id=row.app_id,
        platform=common_pb2.Platform.ValueType(row.platform),
        kind=common_pb2.Kind.ValueType(row.kind),
        provider=common_pb2.Provider.ValueType(APP_PROVIDER[row.platform]),
        state=delivery_pb2.DeliveryState.ValueType(state),
        revision=row.revision,
        attempt_count=row.attempt_count,
        provider_message_id=row.provider_message_id,
        create_time=write_time(row.create_time),
        due_time=write_time(row.due_time),
        expire_time=write_time(row.expire_time),
        update_time=write_time(row.update_time),
        calendar_id=row.calendar_id,
        notification_id=notification_id(row.district_id, row.key, row.user_id, row.create_time),
        hold_cause=delivery_pb2.HoldCause.ValueType(_hold_cause(row)),
    )
    _write_times(row, message)
    if row.state is DeliveryState.CANCELLED and row.cancel_cause is not None:
        message.cancellation.CopyFrom(_cancellation(row))
    if row.attempts:
        message.last_attempt.CopyFrom(write_attempt(len(row.attempts), row.attempts[-1]))
    return message


def _hold_cause(row: Delivery) -> int:
    return (row.hold_cause or 0) if row.state is DeliveryState.HELD else 0


def _write_times(row: Delivery, message: delivery_pb2.Delivery) -> None:
    if row.accept_time is not None:
        message.accept_time.CopyFrom(write_time(row.accept_time))
    if row.display_time is not None:
        message.display_time.CopyFrom(write_time(row.display_time))
    if row.open_time is not None:
        message.open_time.CopyFrom(write_time(row.open_time))


def _cancellation(row: Delivery) -> delivery_pb2.Cancellation:
    cancellation = delivery_pb2.Cancellation(
        cause=delivery_pb2.CancelCause.ValueType(row.cancel_cause or 0),
        gate=common_pb2.Gate.ValueType(row.cancel_gate or 0),
        reason=common_pb2.RefusalReason.ValueType(row.cancel_refusal or 0),
        comment=row.cancel_comment,
    )
    if row.cancel_principal is not None:
        cancellation.principal.CopyFrom(write_principal(row.cancel_principal))
    return cancellation


def _attempts(rows: Iterable[Attempt]) -> Iterable[delivery_pb2.Attempt]:
    return (write_attempt(number, row) for number, row in enumerate(rows, start=1))


def write_attempt(number: int, row: Attempt) -> delivery_pb2.Attempt:
    """Return an attempt, numbered from 1 among those that are kept."""
    return delivery_pb2.Attempt(
        number=number,
        start_time=write_time(row.start_time),
        end_time=write_time(row.end_time),
        outcome=delivery_pb2.Outcome.ValueType(row.outcome),
        provider_reason=row.provider_reason,
    )
