"""What crosses the link, between versions: a first district and a later hub, and the reverse.

`first_version.binpb` holds the descriptors of the first version, as they were then; it is never
changed. A later version is the present one with fields that nobody knows yet.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from schoolbell_server.config.topology import MAX_MESSAGE_BYTES
from schoolbell_server.domain.kinds import DetailLevel, Kind, Outcome, Platform, ProviderEnvironment
from schoolbell_server.gateways.common.push import Push, PushResult
from schoolbell_server.link.v1 import link_pb2
from schoolbell_server.link.wire import (
    MOST_DELIVERIES,
    BadContent,
    Malformed,
    content_of,
    outcome_of,
    push_of,
    read_batch,
    read_outcomes,
    read_withdrawals,
    stamp,
)

FIRST = Path(__file__).with_name("first_version.binpb")
NAME = "4d1f4b1a-8c1e-4d2b-9a50-57b2f7b34a01"
NOW = dt.datetime(2026, 11, 28, 12, 30, 15, 123456, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(hours=72)
UNKNOWN = b"\xaa\x7d\x05later"
"""A field with number 2005 that no version has yet."""
PUSH = Push(
    delivery_id=NAME,
    attempt=3,
    app_id="district-parent",
    notification_id="n1",
    address="f" * 64,
    environment=ProviderEnvironment.SANDBOX,
    kind=Kind.GRADE,
    title="Algebra",
    body="80 %",
    collapse_key="c1",
    expire_time=LATER,
    registration_ref="r1",
    time_sensitive=True,
    data={"more": "yes"},
)


def first_version() -> Callable[[str], Any]:
    """Return what makes a message of the first version, by its name."""
    files = descriptor_pb2.FileDescriptorSet.FromString(FIRST.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)

    def make(name: str) -> Any:
        found = pool.FindMessageTypeByName(f"schoolbell.link.v1.{name}")
        return message_factory.GetMessageClass(found)()

    return make


def delivery() -> link_pb2.Delivery:
    return link_pb2.Delivery(
        delivery_id=NAME,
        attempt=3,
        judge_time=stamp(NOW),
        expire_time=stamp(LATER),
        echo=b"mine",
        content=content_of(PUSH, Platform.IOS),
    )


def as_first(make: Callable[[str], Any], name: str, message: Message) -> Any:
    """Return a message as one of the first version reads it; it knows every field set here."""
    read = make(name)
    read.ParseFromString(message.SerializeToString())
    return read


def test_a_first_district_is_understood_by_this_hub_and_by_a_later_one() -> None:
    make = first_version()
    batch = as_first(make, "Batch", link_pb2.Batch(deliveries=[delivery()]))
    for later in (b"", UNKNOWN):
        read = read_batch(batch.SerializeToString() + later)
        assert push_of(read.deliveries[0], read.deliveries[0].content) == (Platform.IOS, PUSH)
    withdrawal = link_pb2.Withdrawal(
        delivery_id=NAME, judge_time=stamp(NOW), expire_time=stamp(LATER)
    )
    message = link_pb2.Withdrawals(withdrawals=[withdrawal])
    old = as_first(make, "Withdrawals", message).SerializeToString()
    assert read_withdrawals(old + UNKNOWN) == [withdrawal]


def test_a_first_district_understands_this_hub() -> None:
    result = PushResult(
        delivery_id=NAME,
        outcome=Outcome.TOKEN_DEAD,
        provider_reason="Unregistered",
        provider_message_id="p1",
        token_dead_since=NOW,
        retry_after=dt.timedelta(seconds=30),
    )
    outcome = outcome_of(delivery(), result, (NOW, LATER))
    old = as_first(first_version(), "Outcomes", link_pb2.Outcomes(outcomes=[outcome]))
    (answer,) = read_outcomes(old.SerializeToString() + UNKNOWN)
    assert answer.result == result
    assert (answer.attempt, answer.echo) == (3, b"mine")
    assert (answer.start_time, answer.end_time, answer.withdrawn) == (NOW, LATER, False)


def test_an_outcome_that_this_version_does_not_know_counts_as_an_answer_that_is_lost() -> None:
    outcome = link_pb2.Outcome(delivery_id=NAME, attempt=1, outcome=99)
    (answer,) = read_outcomes(link_pb2.Outcomes(outcomes=[outcome]).SerializeToString())
    assert answer.result.outcome is Outcome.ANSWER_LOST


@pytest.mark.parametrize(
    ("number", "level"),
    [(0, None), (1, DetailLevel.GENERIC), (2, DetailLevel.DETAILED), (9, None), (-1, None)],
)
def test_how_much_a_text_says_crosses_and_a_later_level_counts_as_untold(
    number: int, level: DetailLevel | None
) -> None:
    one = delivery()
    one.content.detail_level = number
    _, push = push_of(one, one.content)
    assert push == replace(PUSH, detail_level=level)
    assert content_of(push, Platform.IOS).detail_level == (number if level else 0)


def _many(batch: link_pb2.Batch) -> None:
    batch.deliveries.extend([delivery()] * MOST_DELIVERIES)


def _no_id(batch: link_pb2.Batch) -> None:
    batch.deliveries[0].delivery_id = "a name"


def _spelled_otherwise(batch: link_pb2.Batch) -> None:
    batch.deliveries[0].delivery_id = "{" * 100_000 + NAME + "}" * 100_000


def _upper_case(batch: link_pb2.Batch) -> None:
    batch.deliveries[0].delivery_id = NAME.upper()


def _attempt_out_of_range(batch: link_pb2.Batch) -> None:
    batch.deliveries[0].attempt = 2**31


def _long_key(batch: link_pb2.Batch) -> None:
    batch.sealed_contents.public_key = bytes(65)


def _no_attempt(batch: link_pb2.Batch) -> None:
    batch.deliveries[0].attempt = 0


def _long_echo(batch: link_pb2.Batch) -> None:
    batch.deliveries[0].echo = bytes(129)


def _twice(batch: link_pb2.Batch) -> None:
    batch.deliveries.append(batch.deliveries[0])


def _no_time(batch: link_pb2.Batch) -> None:
    batch.deliveries[0].expire_time.seconds = 2**60


def _empty(batch: link_pb2.Batch) -> None:
    del batch.deliveries[:]


@pytest.mark.parametrize(
    "spoil",
    [
        _many,
        _no_id,
        _spelled_otherwise,
        _upper_case,
        _attempt_out_of_range,
        _long_key,
        _no_attempt,
        _long_echo,
        _twice,
        _no_time,
        _empty,
    ],
)
def test_a_batch_whose_deliveries_cannot_each_be_answered_is_malformed(
    spoil: Callable[[link_pb2.Batch], None],
) -> None:
    batch = link_pb2.Batch(deliveries=[delivery()])
    spoil(batch)
    with pytest.raises(Malformed):
        read_batch(batch.SerializeToString())


@pytest.mark.parametrize(
    "fields",
    [
        {"platform": 9},
        {"environment": 9},
        {"kind": 99},
        {"address": ""},
        {"body": "x" * 20_000},
        {"app_id": "x" * 20_000},
    ],
)
def test_a_content_that_cannot_be_sent_is_refused_alone(fields: dict[str, Any]) -> None:
    one = delivery()
    for name, value in fields.items():
        setattr(one.content, name, value)
    with pytest.raises(BadContent):
        push_of(one, one.content)


def test_a_content_with_too_many_keys_is_refused_alone() -> None:
    one = delivery()
    one.content.data.update({str(number): "" for number in range(101)})
    read = read_batch(link_pb2.Batch(deliveries=[one]).SerializeToString()).deliveries[0]
    with pytest.raises(BadContent):
        push_of(read, read.content)


@pytest.mark.parametrize(
    "fields",
    [
        {"delivery_id": "{" + NAME + "}"},
        {"attempt": 2**31},
        {"echo": bytes(129)},
        {"retry_after": Duration(seconds=2**62)},
    ],
)
def test_outcomes_that_cannot_be_written_are_malformed(fields: dict[str, Any]) -> None:
    known: dict[str, Any] = {"delivery_id": NAME, "attempt": 1, "outcome": 1}
    outcome = link_pb2.Outcome(**known | fields)
    with pytest.raises(Malformed):
        read_outcomes(link_pb2.Outcomes(outcomes=[outcome]).SerializeToString())


def test_the_largest_answer_fits_into_a_message_of_the_broker() -> None:
    one = delivery()
    one.echo = bytes(128)
    words = "\N{BELL}" * 100_000
    result = PushResult(
        delivery_id=NAME,
        outcome=Outcome.TOKEN_DEAD,
        provider_reason=words,
        provider_message_id=words,
        token_dead_since=NOW,
    )
    outcomes = [outcome_of(one, result, (NOW, LATER))] * MOST_DELIVERIES
    assert link_pb2.Outcomes(outcomes=outcomes).ByteSize() < MAX_MESSAGE_BYTES
