"""Between pushes and results on the one side, and the messages of the link on the other.

What arrives is judged here: `Malformed` is a message that nobody can do anything about, and a
delivery that cannot be attempted is answered for itself.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from schoolbell_server.config.topology import MAX_MESSAGE_BYTES
from schoolbell_server.domain.kinds import (
    DetailLevel,
    Kind,
    Outcome,
    Platform,
    ProviderEnvironment,
)
from schoolbell_server.domain.timing import LONGEST_LIFE
from schoolbell_server.gateways.common.push import Push, PushResult
from schoolbell_server.link.v1 import link_pb2

MOST_DELIVERIES = 100
"""Of one batch, and of one message of outcomes."""
MOST_WITHDRAWALS = 1_000
LONGEST_ECHO = 128  # bytes
_LONGEST_REASON = 200
_LONGEST_TEXT = 16_384
"""Characters of any other string: four times what a provider takes of a whole push."""
_MOST_KEYS = 100
_LONGEST = {"echo": LONGEST_ECHO, "key_id": 64, "public_key": 64, "ciphertext": MAX_MESSAGE_BYTES}
"""Of a field, by its name: bytes."""
_MOST = {
    "deliveries": MOST_DELIVERIES,
    "contents": MOST_DELIVERIES,
    "outcomes": MOST_DELIVERIES,
    "withdrawals": MOST_WITHDRAWALS,
    "data": _MOST_KEYS,
}
"""Of a field, by its name: entries."""
_MOST_ATTEMPTS = 2**31 - 1
"""What a database's integer holds."""


class Malformed(Exception):
    """A message that cannot be read, or breaks a rule that its sender knows."""


class BadContent(Exception):
    """A delivery's content cannot be sent; the message is the reason that the district is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One outcome as a district reads it."""

    attempt: int
    echo: bytes
    result: PushResult
    withdrawn: bool
    start_time: dt.datetime | None
    end_time: dt.datetime | None


def content_of(push: Push, platform: Platform) -> link_pb2.Content:
    """Return what a hub needs to send a push."""
    return link_pb2.Content(
        app_id=push.app_id,
        platform=int(platform),
        environment=int(push.environment),
        address=push.address,
        fid=push.fid,
        notification_id=push.notification_id,
        kind=0 if push.kind is None else int(push.kind),
        title=push.title,
        body=push.body,
        detail_level=0 if push.detail_level is None else int(push.detail_level),
        collapse_key=push.collapse_key,
        registration_ref=push.registration_ref,
        time_sensitive=push.time_sensitive,
        data=push.data,
    )


def push_of(delivery: link_pb2.Delivery, content: link_pb2.Content) -> tuple[Platform, Push]:
    """Return the push that a delivery asks for, and by which platform; BadContent where none."""
    try:
        platform = Platform(content.platform)
        environment = ProviderEnvironment(content.environment)
        kind = Kind(content.kind) if content.kind else None
    except ValueError:
        raise BadContent("hub: unknown platform, environment or kind") from None
    if not content.address:
        raise BadContent("hub: no address")
    try:
        _check_bounds(content)
    except Malformed as error:
        raise BadContent(f"hub: {error}") from None
    return platform, Push(
        delivery_id=delivery.delivery_id,
        attempt=delivery.attempt,
        app_id=content.app_id,
        notification_id=content.notification_id,
        address=content.address,
        fid=content.fid,
        environment=environment,
        kind=kind,
        title=content.title,
        body=content.body,
        detail_level=_detail_level(content.detail_level),
        collapse_key=content.collapse_key,
        expire_time=time_of(delivery.expire_time),
        registration_ref=content.registration_ref,
        time_sensitive=content.time_sensitive,
        data=dict(content.data),
    )


def _detail_level(number: int) -> DetailLevel | None:
    """Return a level; None for one of a later version: the phone then hides what is sent."""
    try:
        return DetailLevel(number)
    except ValueError:
        return None


def outcome_of(
    delivery: link_pb2.Delivery,
    result: PushResult,
    span: tuple[dt.datetime, dt.datetime] | None = None,
    *,
    withdrawn: bool = False,
) -> link_pb2.Outcome:
    """Return a result as the district is told it; `span` is the attempt's, where there was one."""
    outcome = link_pb2.Outcome(
        delivery_id=delivery.delivery_id,
        attempt=delivery.attempt,
        echo=delivery.echo,
        outcome=int(result.outcome),
        provider_reason=result.provider_reason[:_LONGEST_REASON],
        provider_message_id=result.provider_message_id[:_LONGEST_REASON],
        held=result.held,
        trial=result.trial,
        withdrawn=withdrawn,
    )
    if result.token_dead_since is not None:
        outcome.token_dead_time.FromDatetime(result.token_dead_since)
    if result.retry_after is not None:
        outcome.retry_after.FromTimedelta(result.retry_after)
    if span is not None:
        outcome.start_time.FromDatetime(span[0])
        outcome.end_time.FromDatetime(span[1])
    return outcome


def answer_of(outcome: link_pb2.Outcome) -> Answer:
    """Return an outcome as the district writes it; Malformed where it is none."""
    try:
        known = Outcome(outcome.outcome)
    except ValueError:
        # A later hub's word: what it means for a phone is not known.
        known = Outcome.ANSWER_LOST
    has = outcome.HasField
    wait = _span_of(outcome.retry_after) if has("retry_after") else None
    result = PushResult(
        delivery_id=outcome.delivery_id,
        outcome=known,
        provider_reason=outcome.provider_reason[:_LONGEST_REASON],
        provider_message_id=outcome.provider_message_id[:_LONGEST_REASON],
        token_dead_since=(time_of(outcome.token_dead_time) if has("token_dead_time") else None),
        retry_after=None if wait is None else max(wait, dt.timedelta(0)),
        held=outcome.held or outcome.withdrawn,
        trial=outcome.trial,
    )
    return Answer(
        attempt=outcome.attempt,
        echo=outcome.echo,
        result=result,
        withdrawn=outcome.withdrawn,
        start_time=time_of(outcome.start_time) if has("start_time") else None,
        end_time=time_of(outcome.end_time) if has("end_time") else None,
    )


def read_batch(body: bytes) -> link_pb2.Batch:
    """Return a batch whose deliveries can each be answered; Malformed where that is not so."""
    batch = link_pb2.Batch()
    _parse(batch, body)
    if not batch.deliveries:
        raise Malformed("no deliveries")
    for delivery in batch.deliveries:
        _check_name(delivery.delivery_id)
        if not delivery.attempt:
            raise Malformed("no attempt")
        time_of(delivery.judge_time)
        time_of(delivery.expire_time)
    names = {(one.delivery_id, one.attempt) for one in batch.deliveries}
    if len(names) < len(batch.deliveries):
        raise Malformed("an attempt twice")
    return batch


def read_withdrawals(body: bytes) -> Sequence[link_pb2.Withdrawal]:
    """Return what a district takes back; Malformed where that cannot be read."""
    message = link_pb2.Withdrawals()
    _parse(message, body)
    if not message.withdrawals:
        raise Malformed("no withdrawals")
    for one in message.withdrawals:
        _check_name(one.delivery_id)
        time_of(one.judge_time)
        time_of(one.expire_time)
    return message.withdrawals


def read_outcomes(body: bytes) -> Sequence[Answer]:
    """Return the outcomes of a message; Malformed where they cannot be read."""
    message = link_pb2.Outcomes()
    _parse(message, body)
    for one in message.outcomes:
        _check_name(one.delivery_id)
    return [answer_of(one) for one in message.outcomes]


def read_contents(data: bytes, count: int) -> Sequence[link_pb2.Content]:
    """Return what was sealed: as many contents as there are deliveries."""
    message = link_pb2.Contents()
    _parse(message, data)
    if len(message.contents) != count:
        raise Malformed(f"{len(message.contents)} contents for {count} deliveries")
    return message.contents


def stamp(time: dt.datetime) -> Timestamp:
    """Return a time as the wire has it."""
    written = Timestamp()
    written.FromDatetime(time)
    return written


def time_of(written: Timestamp) -> dt.datetime:
    """Return a time of the wire, aware UTC; Malformed where it is none."""
    try:
        return written.ToDatetime(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        raise Malformed("a time out of range") from None


def expiry_of(written: Timestamp, now: dt.datetime) -> dt.datetime:
    """Return a delivery's expiry, no later than any delivery's: a row is kept until then."""
    return min(time_of(written), now + LONGEST_LIFE)


def _span_of(written: Duration) -> dt.timedelta:
    try:
        return written.ToTimedelta()
    except (ValueError, OverflowError):
        raise Malformed("a duration out of range") from None


def _parse(message: Message, body: bytes) -> None:
    try:
        message.ParseFromString(body)
    except DecodeError:
        raise Malformed("not the message that this queue holds") from None
    _check_bounds(message)


def _check_bounds(message: Message) -> None:
    """Refuse with Malformed what is too large for a database's key or for an answer.

    A delivery's content is judged where it is read: it is answered for itself.
    """
    for field, value in message.ListFields():
        name = field.name
        if name == "attempt" and value > _MOST_ATTEMPTS:
            raise Malformed("an attempt out of range")
        if isinstance(value, str | bytes):
            _check_length(name, value)
        elif isinstance(value, Message):
            if name != "content":
                _check_bounds(value)
        elif isinstance(value, Mapping):
            _check_count(name, len(value))
            for text in (*value.keys(), *value.values()):
                _check_length(name, text)
        elif isinstance(value, Sequence):
            _check_count(name, len(value))
            for one in value:
                _check_bounds(one)


def _check_length(name: str, value: str | bytes) -> None:
    if len(value) > _LONGEST.get(name, _LONGEST_TEXT):
        raise Malformed(f"{name} is too long")


def _check_count(name: str, count: int) -> None:
    if count > _MOST[name]:
        raise Malformed(f"{count} {name}")


def _check_name(delivery_id: str) -> None:
    """Refuse what is not a UUID in its one canonical form: other spellings are other keys."""
    try:
        canonical = str(uuid.UUID(delivery_id))
    except ValueError:
        canonical = ""
    if canonical != delivery_id or not delivery_id:
        raise Malformed("a delivery without a UUID")
