"""JSON that people write: what is wrong is said in words of our own, with the valid form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbell.proto_json import BadJson, parse
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.settings_service_pb2 import Settings

BAD: dict[str, tuple[str, str]] = {
    "a date as text": (
        '{"attendance": {"date": "2026-11-24"}}',
        'attendance.date must be a date, such as {"year": 2026, "month": 11, "day": 24}, '
        'not "2026-11-24"',
    ),
    "money as a number": (
        '{"lunchBalance": {"balance": 4.25}}',
        'lunchBalance.balance must be an amount, such as {"currencyCode": "USD", "units": "4", '
        '"nanos": 250000000} for 4.25, not 4.25',
    ),
    "money of parts": (
        '{"lunchBalance": {"balance": {"units": "4.25"}}}',
        'lunchBalance.balance.units must be a whole number, such as 4, not "4.25"',
    ),
    "a member without its prefix": (
        '{"attendance": {"status": "ABSENT"}}',
        'attendance.status must be ATTENDANCE_STATUS_ABSENT, not "ABSENT"',
    ),
    "a member in small letters": (
        '{"attendance": {"status": "early leave"}}',
        'attendance.status must be ATTENDANCE_STATUS_EARLY_LEAVE, not "early leave"',
    ),
    "a time without its zone": (
        '{"occurTime": "2026-11-24T08:15:00"}',
        'occurTime must be a time with its zone, such as "2026-11-24T15:04:05Z", '
        'not "2026-11-24T08:15:00"',
    ),
    "a time as a number": (
        '{"occurTime": 1732809600}',
        'occurTime must be a time with its zone, such as "2026-11-24T15:04:05Z", not 1732809600',
    ),
    "a percentage in words": (
        '{"grade": {"percent": "D+"}}',
        'grade.percent must be a number, such as 68.25, not "D+"',
    ),
    "a number as an id": ('{"studentId": 1001}', "studentId must be text in quotes, not 1001"),
    "a flag in words": ('{"historical": "no"}', 'historical must be true or false, not "no"'),
    "an object as text": (
        '{"key": "grade-1"}',
        'key must be an object, a ChangeKey, not "grade-1"',
    ),
    "one for many": (
        '{"lunchBalance": {"sharedStudentIds": "s1"}}',
        'lunchBalance.sharedStudentIds must be a list in brackets, not "s1"',
    ),
    "a misspelled name": (
        '{"student": "s1"}',
        'a Change has no field named "student"; did you mean studentId?',
    ),
    "two kinds": (
        '{"grade": {}, "attendance": {}}',
        "attendance and grade exclude each other: give one of them",
    ),
    "a field twice": ('{"studentId": "a", "studentId": "b"}', 'has the field "studentId" twice'),
    "a list": ("[]", "must be a JSON object in braces, not []"),
    "no JSON": ("student s1", "is not JSON from column 1 on"),
    "no JSON in a file": ('{\n  "studentId": s1\n}', "is not JSON from line 2, column 16 on"),
    "nested": ("[" * 100_000, "is not JSON: it is nested too deep"),
}
_OF_A_LIBRARY = (
    "Failed to",
    "Couldn't",
    "object is not",
    "Message type",
    "schoolbell.v1",
    "expected",
)


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_named_with_the_valid_form(case: str) -> None:
    text, sentence = BAD[case]
    with pytest.raises(BadJson) as caught:
        parse(text, Change())
    assert str(caught.value).startswith(sentence)


def test_a_span_is_named_with_the_valid_form() -> None:
    with pytest.raises(BadJson) as caught:
        parse('{"kindSettings": [{"kind": "KIND_GRADE", "hold": "10 minutes"}]}', Settings())
    assert str(caught.value) == (
        'kindSettings[0].hold must be a span in seconds, such as "172800s", not "10 minutes"'
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["year", "units", "status", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)
FIELDS = st.sampled_from(
    ["key", "studentId", "occurTime", "historical", "grade", "attendance", "lunchBalance", "odd"]
)
INNER = st.sampled_from(["date", "balance", "percent", "status", "sharedStudentIds", "changeId"])


@given(st.dictionaries(FIELDS, VALUES | st.dictionaries(INNER, VALUES, max_size=2), max_size=3))
def test_no_words_of_a_library_reach_people(found: dict[str, Any]) -> None:
    told = ""
    try:
        parse(json.dumps(found), Change())
    except BadJson as error:
        told = str(error)
    assert not any(words in told for words in _OF_A_LIBRARY)
