"""What APNs is told of a push."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbell_server.domain.kinds import DetailLevel, Kind
from schoolbell_server.gateways.apns.message import (
    PAYLOAD_LIMIT,
    ApnsMessages,
    encode,
    payload_of,
)
from schoolbell_server.gateways.common.push import Push
from tests.unit.gateways.pushes import NOW, push

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def body_of(sent: Push) -> bytes:
    """Return what a push's body is, twice the same: what pushes share is kept between them."""
    messages = ApnsMessages("t", "")
    first = messages.body(sent)
    assert messages.body(sent) == first
    return first


def test_pushes_of_one_batch_share_nothing_but_what_is_equal() -> None:
    texts: list[dict[str, Any]] = [
        {"title": "a"},
        {"title": "b"},
        {"body": "c"},
        {"kind": None},
        {"title": "a"},
    ]
    sent = [push(**{"time_sensitive": late, **text}) for text in texts for late in (True, False)]
    messages = ApnsMessages("t", "")
    assert [messages.body(one) for one in sent] == [encode(payload_of(one)) for one in sent]


def test_the_payload_has_the_alert_and_what_the_app_reads() -> None:
    assert payload_of(push(data={"b": "2"})) == {
        "aps": {
            "alert": {"title": "New grade", "body": "Open the app."},
            "sound": "default",
            "mutable-content": 1,
            "interruption-level": "active",
            "thread-id": "GRADE",
            "category": "GRADE",
        },
        "delivery_id": "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
        "kind": "GRADE",
        "detail_level": "GENERIC",
        "registration_ref": "maple",
        "data": {"b": "2"},
    }


def test_a_test_notification_has_no_kind_and_no_category() -> None:
    payload = payload_of(push(kind=None, registration_ref=""))
    assert set(payload) == {"aps", "delivery_id", "detail_level"}
    assert not {"category", "thread-id"} & set(payload["aps"])


def test_the_app_is_told_whether_the_text_names_anybody() -> None:
    levels = (DetailLevel.GENERIC, DetailLevel.DETAILED, None)
    told = [payload_of(push(detail_level=level)).get("detail_level") for level in levels]
    assert told == ["GENERIC", "DETAILED", None]


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_its_category(kind: Kind) -> None:
    assert payload_of(push(kind=kind))["aps"]["category"] == kind.name


def test_what_cannot_wait_is_time_sensitive() -> None:
    aps = payload_of(push(time_sensitive=True))["aps"]
    assert aps["interruption-level"] == "time-sensitive"


def test_further_keys_cannot_pose_as_ours() -> None:
    data = {"aps": "x", "delivery_id": "x", "kind": "x"}
    payload = payload_of(push(data=data))
    assert payload["aps"]["sound"] == "default"
    assert payload["delivery_id"] == push().delivery_id
    assert payload["data"] == data


def test_the_headers_name_the_delivery_its_expiry_and_its_collapse_key() -> None:
    assert ApnsMessages("org.maple.parent", "bearer t").headers(push()) == {
        "authorization": "bearer t",
        "apns-id": "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
        "apns-topic": "org.maple.parent",
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-expiration": str(int((NOW + dt.timedelta(hours=1)).timestamp())),
        "apns-collapse-id": "c" * 22,
    }


def test_without_expiry_and_collapse_key_their_headers_are_absent() -> None:
    headers = ApnsMessages("t", "").headers(push(expire_time=None, collapse_key=""))
    assert not {"apns-expiration", "apns-collapse-id", "authorization"} & set(headers)


@given(title=st.text(st.characters(exclude_categories=["Cs"]), max_size=100), body=TEXT)
def test_texts_that_fit_arrive_whole(title: str, body: str) -> None:
    sent = push(title=title, body=body)
    if len(encode(payload_of(sent))) <= PAYLOAD_LIMIT:
        assert body_of(sent) == encode(payload_of(sent))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4), st.booleans())
def test_a_long_body_is_cut_at_a_character_and_nothing_else_is(piece: str, detailed: bool) -> None:
    sent = push(body=piece * 4000, data={"k": "v" * 500} if detailed else {})
    body = body_of(sent)
    assert len(body) <= PAYLOAD_LIMIT
    payload, whole = json.loads(body), payload_of(sent)
    cut = payload["aps"]["alert"].pop("body")
    whole["aps"]["alert"].pop("body")
    assert payload == whole
    assert cut.endswith("…")
    assert sent.body.startswith(cut[:-1])


@pytest.mark.parametrize("letter", ["👩🏽\u200d🚀", "🇲🇽", "e\u0301\u0323"])
def test_a_long_body_is_cut_before_a_letter(letter: str) -> None:
    for lead in ("", "a", "ab", "abc"):
        body = body_of(push(body=lead + letter * 2000))
        assert PAYLOAD_LIMIT - len(letter.encode()) - 1 <= len(body) <= PAYLOAD_LIMIT
        cut = json.loads(body)["aps"]["alert"]["body"].removesuffix("…").removeprefix(lead)
        assert cut == letter * (len(cut) // len(letter))


def test_hardly_more_is_cut_than_must_be() -> None:
    for piece in ("a", "é", "語", "😀", '"'):
        body = body_of(push(body=piece * 5000))
        assert len(body) > PAYLOAD_LIMIT - 16
