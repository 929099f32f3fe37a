"""What a transaction changed, serialised as the streams of watchers carry it.

A message may be given in parts, serialised one after another: what deliveries of one change, or of
one batch, have in common is serialised once. What is not common runs through `write_committed`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from schoolbell.v1 import change_pb2, common_pb2, delivery_pb2
from schoolbell.v1.status_service_pb2 import WatchStatusResponse
from schoolbell_server.contract.deliveries import write_attempt, write_committed
from schoolbell_server.contract.fields import write_time
from schoolbell_server.domain.delivery import Attempt, Delivery
from schoolbell_server.domain.kinds import APP_PROVIDER, DeliveryState
from schoolbell_server.domain.notification import notification_id

_LENGTH_DELIMITED = 2
_COMMON = frozenset({DeliveryState.PENDING, DeliveryState.ACCEPTED})
_Moments = tuple[tuple[Attempt, ...], dt.datetime | None]


def write_updates(
    deliveries: Iterable[Delivery], changes: Iterable[change_pb2.ChangeSummary]
) -> dict[str, bytes]:
    """Return by district the bytes of a `WatchStatusResponse` with these snapshots, in order."""
    parts: dict[str, list[bytes]] = {}
    for change in changes:
        _add(parts.setdefault(change.district_id, []), _CHANGES, change.SerializeToString())
    write = _Deliveries()
    for row in deliveries:
        _add(parts.setdefault(row.district_id, []), _DELIVERIES, write.snapshot(row))
    return {district_id: b"".join(some) for district_id, some in parts.items()}


def _add(parts: list[bytes], tag: bytes, message: bytes) -> None:
    """Append a serialised message under its tag."""
    parts += (tag, _varint(len(message)), message)


class _Deliveries:
    """Serialises the deliveries of one transaction."""

    def __init__(self) -> None:
        self._changes: dict[int, tuple[Delivery, bytes]] = {}
        """By the identity of its key, which its first row keeps alive."""
        self._moments: dict[_Moments, bytes] = {}

    def snapshot(self, row: Delivery) -> bytes:
        """Return a committed delivery, serialised."""
        if row.state not in _COMMON or row.display_time is not None or row.open_time is not None:
            return write_committed(row).SerializeToString()
        own = delivery_pb2.Delivery(
            delivery_id=row.delivery_id,
            user_id=row.user_id,
            device_id=row.device_id,
            app_id=row.app_id,
            platform=common_pb2.Platform.ValueType(row.platform),
            provider=common_pb2.Provider.ValueType(APP_PROVIDER[row.platform]),
            state=delivery_pb2.DeliveryState.ValueType(row.state),
            revision=row.revision,
            attempt_count=row.attempt_count,
            provider_message_id=row.provider_message_id,
            notification_id=notification_id(row.district_id, row.key, row.user_id, row.create_time),
        )
        return self._change(row) + own.SerializeToString() + self._attempted(row)

    def _change(self, row: Delivery) -> bytes:
        """Return what the deliveries of one change have in common, as far as they do."""
        found = self._changes.get(id(row.key))
        if found is not None and _is_alike(found[0], row):
            return found[1]
        message = delivery_pb2.Delivery(
            district_id=row.district_id,
            change_key=common_pb2.ChangeKey(source=row.key.source, change_id=row.key.change_id),
            student_id=row.student_id,
            kind=common_pb2.Kind.ValueType(row.kind),
            create_time=write_time(row.create_time),
            due_time=write_time(row.due_time),
            expire_time=write_time(row.expire_time),
            update_time=write_time(row.update_time),
            calendar_id=row.calendar_id,
        )
        common = message.SerializeToString()
        self._changes[id(row.key)] = row, common
        return common

    def _attempted(self, row: Delivery) -> bytes:
        """Return the last attempt and when the provider took it, which batches have in common."""
        if not row.attempts and row.accept_time is None:
            return b""
        moments = (row.attempts, row.accept_time)
        found = self._moments.get(moments)
        if found is None:
            message = delivery_pb2.Delivery()
            if row.attempts:
                last = write_attempt(len(row.attempts), row.attempts[-1])
                message.last_attempt.CopyFrom(last)
            if row.accept_time is not None:
                message.accept_time.CopyFrom(write_time(row.accept_time))
            found = self._moments[moments] = message.SerializeToString()
        return found


def _is_alike(one: Delivery, other: Delivery) -> bool:
    return (
        one.student_id == other.student_id
        and one.due_time == other.due_time
        and one.expire_time == other.expire_time
        and one.update_time == other.update_time
        and one.create_time == other.create_time
        and one.calendar_id == other.calendar_id
        and one.district_id == other.district_id
        and one.kind is other.kind
    )


def _varint(number: int) -> bytes:
    """Return a number as protobuf writes lengths and tags: seven bits a byte, the lowest first."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def _tag(field: str) -> bytes:
    number = WatchStatusResponse.DESCRIPTOR.fields_by_name[field].number
    return _varint(number << 3 | _LENGTH_DELIMITED)


_DELIVERIES, _CHANGES = _tag("deliveries"), _tag("changes")
