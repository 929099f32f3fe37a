"""Foreign JSON: whatever it holds, a getter answers its own type, and nothing else is raised."""

from __future__ import annotations

import json

import pytest

from schoolbell_server.gateways.common.foreign_json import (
    MOST_BYTES,
    BadDocument,
    ForeignObject,
    object_or_empty,
    read_object,
)
from schoolbell_server.gateways.fcm.errors import meaning_of

ODD: list[object] = [None, True, 5, -1, 1.5, "", "x", [], [5], {}, {"a": 1}, [[[]]], [None, {}]]
DEEP = 50_000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"5",
        b"null",
        b"<html>",
        b"\xff\xfe{}",
        b"[" * DEEP,
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"' + b"x" * MOST_BYTES + b'"}',
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_no_bounded_object_is_refused_and_as_good_as_empty(data: bytes) -> None:
    with pytest.raises(BadDocument):
        read_object(data)
    assert object_or_empty(data).text("a") == ""


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_every_getter_answers_its_own_type(value: object) -> None:
    document = read_object(json.dumps({"a": value}).encode())
    for key in ("a", "b"):
        assert isinstance(document.text(key), str)
        assert document.whole(key) is None or type(document.whole(key)) is int
        assert document.number(key) is None or type(document.number(key)) is float
        assert document.inner(key) is None or isinstance(document.inner(key), ForeignObject)
        assert all(isinstance(one, ForeignObject) for one in document.objects(key))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "1" + "0" * 400])
def test_a_number_is_finite(value: str) -> None:
    assert read_object(b'{"a":' + value.encode() + b"}").number("a") is None


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize("key", ["error", "status", "details", "@type", "errorCode", "name"])
def test_a_verdict_is_given_on_every_answer_of_google(key: str, value: object) -> None:
    detail = {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", key: value}
    error = {"code": 400, "status": "INVALID_ARGUMENT", "details": [detail], key: value}
    for status in (200, 400, 503):
        for document in ({"error": error, key: value}, {key: error}, {"error": {key: value}}):
            meaning = meaning_of(status, json.dumps(document).encode())
            assert isinstance(meaning.reason, str)
