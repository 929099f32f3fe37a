"""A decision comes back from its blob as it was made."""

from __future__ import annotations

import datetime as dt
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbell_server.domain.decision import (
    Decision,
    DecisionRecord,
    DeviceDecision,
    RecipientDecision,
    Refusal,
    without,
)
from schoolbell_server.domain.kinds import AppType, Gate, RefusalReason
from schoolbell_storage.decision_records import decode_record, encode_record
from tests.unit.domain.happenings import NOON
from tests.unit.domain.strategies import previouses, texts, times

refusals = st.builds(Refusal, st.sampled_from(Gate), st.sampled_from(RefusalReason), texts)
apps = st.sampled_from(AppType)
devices = st.builds(
    DeviceDecision,
    device_id=texts,
    refusal=st.none() | refusals,
    previous=previouses,
    correction=st.booleans(),
)
recipients = st.builds(
    RecipientDecision,
    user_id=texts,
    app=apps,
    refusal=st.none() | refusals,
    devices=st.lists(devices, max_size=3).map(tuple),
)
decisions = st.builds(
    Decision,
    refusal=st.none() | refusals,
    app_refusals=st.lists(st.tuples(apps, refusals), max_size=2).map(tuple),
    recipients=st.lists(recipients, max_size=3).map(tuple),
)
records = st.builds(
    DecisionRecord,
    decision=decisions,
    facts_version=st.integers(0, 2**63 - 1),
    decide_time=times,
)

NOT_SUBSCRIBED = Refusal(Gate.SUBSCRIBED, RefusalReason.NOT_SUBSCRIBED)


@given(records)
def test_a_record_comes_back(record: DecisionRecord) -> None:
    assert decode_record(encode_record(record)) == record


def many(count: int) -> DecisionRecord:
    """Return a record of guardians with a device each, all refused for one reason."""
    guardians = tuple(
        RecipientDecision(
            user_id=f"guardian-{number}",
            app=AppType.PARENT,
            devices=(DeviceDecision(device_id=f"device-{number}", refusal=NOT_SUBSCRIBED),),
        )
        for number in range(count)
    )
    return DecisionRecord(
        decision=Decision(recipients=guardians), facts_version=7, decide_time=NOON
    )


def test_a_record_forgets_one_person_and_nothing_else() -> None:
    record = many(3)
    kept = without(record, "guardian-1")
    first, second, third = record.decision.recipients
    assert second.user_id == "guardian-1"
    assert kept.decision == Decision(recipients=(first, third))
    assert (kept.facts_version, kept.decide_time) == (record.facts_version, record.decide_time)


def test_a_record_is_compact() -> None:
    assert len(encode_record(many(0))) < 60
    assert len(encode_record(many(50))) < 50 * 20


def test_the_same_decision_is_the_same_blob() -> None:
    assert encode_record(many(3)) == encode_record(many(3))


def test_times_are_kept_in_utc() -> None:
    elsewhere = dt.timezone(dt.timedelta(hours=-5))
    record = DecisionRecord(
        decision=Decision(), facts_version=1, decide_time=NOON.astimezone(elsewhere)
    )
    decided = decode_record(encode_record(record)).decide_time
    assert (decided, decided.utcoffset()) == (NOON, dt.timedelta(0))


def test_a_record_is_readable_and_without_blanks() -> None:
    refusal = Refusal(Gate.ENROLLED, RefusalReason.NOT_ENROLLED, "Café")
    record = DecisionRecord(decision=Decision(refusal=refusal), facts_version=7, decide_time=NOON)
    blob = encode_record(record)
    text = (zlib.decompress(blob[1:]) if blob[:1] == b"\x01" else blob[1:]).decode()
    assert text == f'[7,"{NOON.isoformat()}",0,[],[],[[7,11,"Café"]],[]]'


@pytest.mark.parametrize("blob", [b"", b"\x00", b"\x03" + zlib.compress(b"[]"), b"{}"])
def test_another_version_is_refused(blob: bytes) -> None:
    with pytest.raises(ValueError, match="unknown version"):
        decode_record(blob)
