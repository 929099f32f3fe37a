"""Read ProtoJSON that people wrote: what is wrong is said in a sentence with the valid form."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

Read = TypeVar("Read", bound=Message)

_LONGEST_VALUE = 40  # characters of a quoted value
_FORMS = {
    "google.protobuf.Timestamp": 'a time with its zone, such as "2026-11-24T15:04:05Z"',
    "google.protobuf.Duration": 'a span in seconds, such as "172800s"',
    "google.protobuf.FieldMask": 'field names with commas, such as "enabled,detailLevel"',
    "google.type.Date": 'a date, such as {"year": 2026, "month": 11, "day": 24}',
    "google.type.Money": (
        'an amount, such as {"currencyCode": "USD", "units": "4", "nanos": 250000000} for 4.25'
    ),
}
_TEXTS = ("google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask")
_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}
_NUMBERS = {*_INTEGERS, FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}


_REFUSALS = (
    json_format.ParseError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What the library raises for JSON that is no message."""


class BadJson(ValueError):
    """A text is not the ProtoJSON of a message; the text says where, and what is valid there."""


def parse(text: str, message: Read) -> Read:
    """Read a JSON object into a message and return it; raise `BadJson` for what is none."""
    try:
        found = json.loads(text, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if "\n" in text.strip() else ""
        raise BadJson(f"is not JSON from {line}column {error.colno} on") from None
    except BadJson:
        raise
    except ValueError:
        raise BadJson("is not JSON that can be read: it has a number of too many digits") from None
    except RecursionError:
        raise BadJson("is not JSON: it is nested too deep") from None
    if not isinstance(found, dict):
        raise BadJson(f"must be a JSON object in braces, not {_quoted(found)}")
    try:
        return json_format.ParseDict(found, message)
    except _REFUSALS:
        _check(found, cast(Descriptor, message.DESCRIPTOR), "")
        raise BadJson(f"is not the JSON of a {message.DESCRIPTOR.name}") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        name = next(name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1)
        raise BadJson(f"has the field {_quoted(name)} twice in one object")
    return found


def _check(found: Mapping[str, Any], descriptor: Descriptor, path: str) -> None:
    """Raise `BadJson` for the first field of an object that cannot be read."""
    known = {name: field for field in descriptor.fields for name in (field.json_name, field.name)}
    chosen: dict[str, str] = {}
    for name, value in found.items():
        field = known.get(name)
        if field is None:
            raise BadJson(_unknown(name, descriptor, path))
        at = f"{path}.{name}" if path else name
        oneof = field.containing_oneof
        if value is not None and oneof is not None and len(oneof.fields) > 1:
            if other := chosen.get(oneof.name):
                raise BadJson(f"{at} and {other} exclude each other: give one of them")
            chosen[oneof.name] = at
        if value is not None:
            _check_field(value, field, at)


def _unknown(name: str, descriptor: Descriptor, path: str) -> str:
    names = [field.json_name for field in descriptor.fields]
    where = path or f"a {descriptor.name}"
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(names)}"
    return f"{where} has no field named {_quoted(name)}; {hint}"


def _check_field(value: Any, field: FieldDescriptor, path: str) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _must(isinstance(value, dict), path, "an object", value)
    if not field.is_repeated:
        return _check_value(value, field, path)
    _must(isinstance(value, list), path, "a list in brackets", value)
    for index, one in enumerate(value):
        _check_value(one, field, f"{path}[{index}]")
    return None


def _check_value(value: Any, field: FieldDescriptor, path: str) -> None:
    if field.message_type is not None:
        return _check_message(value, field.message_type, path)
    if field.enum_type is not None:
        names = [one.name for one in field.enum_type.values if one.number]
        fine = value in (*names, 0) or (isinstance(value, int) and not isinstance(value, bool))
        return _must(fine, path, _member_form(value, names), value)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _must(isinstance(value, bool), path, "true or false", value)
    if field.cpp_type in _NUMBERS:
        whole = field.cpp_type in _INTEGERS
        form = "a whole number, such as 4" if whole else "a number, such as 68.25"
        return _must(_is_number(value, int if whole else float), path, form, value)
    _must(isinstance(value, str), path, "text in quotes", value)
    return _must(_has_no_halves(value), path, "text without halves of characters", value)


def _check_message(value: Any, descriptor: Descriptor, path: str) -> None:
    form = _FORMS.get(descriptor.full_name, f"an object, a {descriptor.name}")
    if descriptor.full_name in _TEXTS:
        return _must(_parses(value, descriptor), path, form, value)
    _must(isinstance(value, dict), path, form, value)
    return _check(value, descriptor, path)


def _parses(value: Any, descriptor: Descriptor) -> bool:
    from google.protobuf.message_factory import GetMessageClass

    try:
        if isinstance(value, str):
            GetMessageClass(descriptor)().FromJsonString(value)  # type: ignore[attr-defined]
            return True
    except (ValueError, AttributeError):
        pass
    return False


def _member_form(value: Any, names: list[str]) -> str:
    """Return which members there are; of one without its prefix, its whole name alone."""
    if isinstance(value, str):
        whole = [name for name in names if name.endswith(f"_{value.upper().replace(' ', '_')}")]
        if len(whole) == 1:
            return whole[0]
    return f"one of {', '.join(names)}"


def _has_no_halves(text: str) -> bool:
    """Tell whether a text can be encoded: half of a surrogate pair cannot."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _is_number(value: Any, kind: Callable[[Any], Any]) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    try:
        return bool(kind(value) == float(value) and math.isfinite(float(value)))
    except (ValueError, OverflowError):
        return False


def _must(fine: bool, path: str, form: str, value: Any) -> None:
    if not fine:
        raise BadJson(f"{path} must be {form}, not {_quoted(value)}")


def _quoted(value: Any) -> str:
    try:
        text = json.dumps(
            value, ensure_ascii=not isinstance(value, str) or not _has_no_halves(value)
        )
    except ValueError:
        return "that number"  # of more digits than Python writes
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
