"""What a string of a request may hold, decided by the name of its field.

Nothing that breaks these rules reaches a servicer, so no string is longer than storage takes or
holds a NUL, which PostgreSQL refuses. Which fields may be empty is the servicers' to say.
"""

from __future__ import annotations

import re
from functools import partial

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.errors import FieldViolation
from schoolbell_server.rpc.field_reasons import FieldReason
from schoolbell_server.rpc.walk import BadValue, Check, find

MAX_ID = 128  # characters
MAX_TEXT = 1024  # characters
MAX_ADDRESS = 4096  # characters
MAX_TOKEN = 16_384  # characters; a page token holds the sort key of a row

_IDS = frozenset(
    {
        "etag",
        "grading_period",
        "grading_task",
        "id",
        "period",
        "previous_period",
        "registration_ref",
        "source",
        "sources",
    }
)
"""Fields that identify something, besides those whose names end in `_id` or `_ids`."""

_ADDRESSES = frozenset({"device_token", "firebase_installation_id", "registration_token"})
_NAMES = frozenset({"display_name", "family_name", "given_name", "preferred_name", "relation"})
_HINT = "schoolbell.v1.Device.locale"
"""What a phone sends by itself: a bad one is passed over and never stored, not refused."""

_LIMITS = {"mark": MAX_ID, "query": MAX_ID, "relation": MAX_ID}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def bad_texts(
    message: Message, *, prefix: str = "", apart: frozenset[str] = frozenset()
) -> list[FieldViolation]:
    """Return the fields that hold a string which may not be there."""
    return find(message, check_of, prefix=prefix, apart=apart)


def check_of(field: FieldDescriptor) -> Check | None:
    """Return how the strings of a field are checked; None if it holds none."""
    name = field.name
    if field.type != FieldDescriptor.TYPE_STRING:
        return None
    if name in _ADDRESSES:
        return partial(_printable_ascii, MAX_ADDRESS)
    if name.endswith("_token"):
        return _token
    if field.full_name == _HINT:
        return None
    if name in _IDS or name.endswith(("_id", "_ids")):
        return _id
    most = _LIMITS.get(name, MAX_TEXT)
    return partial(_name if name in _NAMES else _text, most)


def _id(value: str) -> BadValue | None:
    if len(value) > MAX_ID or not value.isprintable() or value != value.strip():
        text = f"must be 1 to {MAX_ID} printable characters without surrounding space"
        return BadValue(text, _reason(value, MAX_ID))
    return None


def _token(value: str) -> BadValue | None:
    """Check a token, whose reader takes only what a server wrote; nothing else is stored."""
    if len(value) > MAX_TOKEN:
        return BadValue(f"must be at most {MAX_TOKEN} characters", reasons.TOO_LONG)
    return None


def _printable_ascii(most: int, value: str) -> BadValue | None:
    if len(value) > most or not value.isascii() or not value.isprintable():
        return BadValue(f"must be at most {most} printable ASCII characters", _reason(value, most))
    return None


def _name(most: int, value: str) -> BadValue | None:
    """Check what people are shown as they stored it: controls could steer a terminal."""
    fault = _text(most, value)
    if fault is None and _CONTROL.search(value):
        return BadValue("must not contain control characters", reasons.BAD_FORMAT)
    return fault


def _text(most: int, value: str) -> BadValue | None:
    if len(value) > most:
        return BadValue(f"must be at most {most} characters, has {len(value)}", reasons.TOO_LONG)
    if "\0" in value:
        return BadValue("must not contain NUL characters", reasons.BAD_FORMAT)
    return None


def _reason(value: str, most: int) -> FieldReason:
    return reasons.TOO_LONG if len(value) > most else reasons.BAD_FORMAT
