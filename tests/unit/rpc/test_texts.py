"""Every string of every request is looked at, in one place, by the name of its field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from schoolbell.v1 import (
    change_pb2,
    change_service_pb2,
    device_service_pb2,
    district_service_pb2,
    roster_pb2,
    settings_service_pb2,
    status_pb2,
)
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.texts import bad_texts
from schoolbell_server.rpc.values import READ_BY_SERVICERS, bad_values
from schoolbell_server.rpc.walk import MOST_FOUND
from tests.unit.contract import methods

TOKENS = ("page_token", "resume_token")
ID = "must be 1 to 128 printable characters without surrounding space"
NUL = "must not contain NUL characters"
CONTROL = "must not contain control characters"


@pytest.mark.parametrize("bad", ["\0", "a\0b", "x" * 20_000])
@pytest.mark.parametrize("method", list(methods()), ids=lambda method: str(method.full_name))
def test_no_string_of_any_request_holds_a_nul_or_has_no_limit(method: Any, bad: str) -> None:
    for path, message in with_one(method.input_type, bad):
        found = bad_values(message)
        expected = reasons.BAD_FORMAT if "\0" in bad else reasons.TOO_LONG
        assert [(one.field, one.reason) for one in found] == [(path, expected)]


def with_one(descriptor: Descriptor, bad: str) -> Iterator[tuple[str, Any]]:
    """Return for each string below a message type its path, and a message that holds this one."""
    kind: Any = GetMessageClass(descriptor)
    for field in descriptor.fields:
        if field.name in TOKENS or field.full_name == "schoolbell.v1.Device.locale":
            continue  # their readers refuse or pass over anything odd, and store none of it
        if field.type == FieldDescriptor.TYPE_STRING:
            values: list[tuple[str, Any]] = [("", bad)]
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield f"{field.name}['a']", kind(**{field.name: {"a": bad}})
            continue
        elif field.message_type is not None:
            values = [(f".{path}", one) for path, one in with_one(field.message_type, bad)]
        else:
            continue
        for rest, value in values:
            if field.is_repeated:
                yield f"{field.name}[0]{rest}", kind(**{field.name: [value]})
            else:
                yield f"{field.name}{rest}", kind(**{field.name: value})


@pytest.mark.parametrize(
    ("message", "path", "description"),
    [
        (change_pb2.Change(student_id="a\nb"), "student_id", ID),
        (change_pb2.Change(student_id=" a"), "student_id", ID),
        (change_pb2.Change(student_id="\u202ea"), "student_id", ID),
        (change_pb2.Change(calendar_id="x" * 129), "calendar_id", ID),
        (change_pb2.ChangeFilter(sources=["a", "\x7f"]), "sources[1]", ID),
        (
            change_pb2.GradeChange(mark="x" * 129),
            "mark",
            "must be at most 128 characters, has 129",
        ),
        (roster_pb2.PersonNames(given_name="a\x1b[2J"), "given_name", CONTROL),
        (roster_pb2.PersonNames(family_name="a\x9b"), "family_name", CONTROL),
        (district_service_pb2.District(display_name="a\nb"), "display_name", CONTROL),
        (
            device_service_pb2.FcmAddress(firebase_installation_id="é"),
            "firebase_installation_id",
            "must be at most 4096 printable ASCII characters",
        ),
        (
            settings_service_pb2.UpdateSettingsRequest(
                update_mask={"paths": ["enabled", "a\0"]}  # type: ignore[arg-type]
            ),
            "update_mask.paths[1]",
            NUL,
        ),
        (status_pb2.ServiceWarning(metadata={"a": "b\0"}), "metadata['a']", NUL),
        (status_pb2.ServiceWarning(metadata={"a\0": "b"}), "metadata['a\\x00']", NUL),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bad_string_is_named_with_its_path(message: Any, path: str, description: str) -> None:
    assert [(one.field, one.description) for one in bad_texts(message)] == [(path, description)]


@pytest.mark.parametrize(
    "message",
    [
        change_pb2.Change(),
        change_pb2.Change(student_id="zoë/1:ü"),
        change_pb2.AttendanceChange(comment="Two\nlines\tand a tab"),
        roster_pb2.PersonNames(given_name="\u0dc1\u0dca\u200d\u0dbb\u0dd3", family_name="d'Arc 😀"),
        device_service_pb2.FcmAddress(registration_token="a:" + "b" * 4000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_good_strings_pass(message: Any) -> None:
    assert not bad_texts(message)


def test_items_of_batches_are_left_to_their_readers() -> None:
    bad = change_pb2.Change(student_id="\0")
    batch = change_service_pb2.BatchPublishChangesRequest(changes=[bad], district_id="\0")
    assert [one.field for one in bad_values(batch, apart=READ_BY_SERVICERS)] == ["district_id"]
    assert [one.field for one in bad_values(bad, prefix="change.")] == ["change.student_id"]


def test_no_more_is_found_than_can_be_told() -> None:
    crowd = change_pb2.ChangeFilter(student_ids=["\0"] * 500_000)
    assert len(bad_values(crowd)) == MOST_FOUND


@pytest.mark.parametrize(
    "text", [b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe0\x80\xaf", b"\xff", b"\xc3"]
)
def test_what_is_no_utf8_is_no_message(text: bytes) -> None:
    """Lone surrogates, overlong forms, what is beyond Unicode: refused before it is a string."""
    for number in (1, 2, 3):  # of GetDeviceRequest: district_id, user_id, device_id
        with pytest.raises(DecodeError):
            device_service_pb2.GetDeviceRequest.FromString(
                bytes([number << 3 | 2, len(text)]) + text
            )
