"""No field of the contract is awkward in JSON, or in the languages that read it."""

from __future__ import annotations

from collections import Counter

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tests.unit.contract import enums, fields, messages, named, owner, words

FIELDS = fields()

MAY_BE_LONG = {"Backlog", "DeliveryCount", "RefusalCount", "Tally"}
"""Messages whose counts can pass two thousand million."""
LONG = {"Delivery.revision"}
LONG_ANYWHERE = {"facts_version"}

JAVASCRIPT_TRAPS = {
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "prototype",
    "then",  # an object that has it is taken for a promise
    "toJSON",
    "toLocaleString",
    "toString",
    "valueOf",
}
JAVA_TRAPS = {
    "allFields",
    "cachedSize",
    "class",
    "defaultInstanceForType",
    "descriptorForType",
    "initializationErrorString",
    "parserForType",
    "serializedSize",
    "unknownFields",
}
"""What Java's messages have a getter for already."""
TYPES_ELSEWHERE = words(
    """Any Array Boolean Buffer Byte Channel Character Class Context Date Deadline Double Duration
    Empty Enum Error Event Float Function Integer Iterable Long Map Math Message Metadata Module
    Number Object Override Package Process Promise Proxy Record Request Response Runtime Server Set
    Status String Struct Symbol System Thread Timestamp Void"""
)
"""Names that code of Java, JavaScript, gRPC or protobuf needs, most of them unqualified."""


def broken(found: list[FieldDescriptor]) -> list[str]:
    """Return the fields' names with their messages, for a failure that can be read."""
    return [named(field) for field in found]


def test_only_what_may_be_large_is_an_integer_of_64_bits_and_so_a_text() -> None:
    long = {
        FieldDescriptor.TYPE_FIXED64,
        FieldDescriptor.TYPE_INT64,
        FieldDescriptor.TYPE_SFIXED64,
        FieldDescriptor.TYPE_SINT64,
        FieldDescriptor.TYPE_UINT64,
    }

    def may_be(field: FieldDescriptor) -> bool:
        return owner(field) in MAY_BE_LONG or named(field) in LONG or field.name in LONG_ANYWHERE

    assert not broken([field for field in FIELDS if field.type in long and not may_be(field)])


def test_nothing_is_bytes() -> None:
    assert not broken([field for field in FIELDS if field.type == field.TYPE_BYTES])


def test_the_keys_of_a_map_are_texts() -> None:
    def key(field: FieldDescriptor) -> FieldDescriptor | None:
        entry = field.message_type
        if entry is None or not entry.GetOptions().map_entry:
            return None
        found: FieldDescriptor = entry.fields_by_name["key"]
        return found

    keys = [found for field in FIELDS if (found := key(field)) is not None]
    assert not broken([one for one in keys if one.type != one.TYPE_STRING])


@pytest.mark.parametrize("traps", [JAVASCRIPT_TRAPS, JAVA_TRAPS], ids=["JavaScript", "Java"])
def test_no_field_is_named_as_what_every_object_has(traps: set[str]) -> None:
    assert not broken([one for one in FIELDS if {one.name, one.json_name} & traps])


def test_no_two_fields_of_a_message_have_one_name_in_json() -> None:
    """C# and Go write the first letter large, so that case does not tell two apart."""
    for message in messages():
        counted = Counter(field.json_name.lower() for field in message.fields)
        twice = [name for name, count in counted.items() if count > 1]
        assert not twice, message.full_name


def test_a_name_comes_back_from_json_as_it_was() -> None:
    """Otherwise a field mask could not name the field in JSON."""

    def back(field: FieldDescriptor) -> str:
        return "".join(f"_{one.lower()}" if one.isupper() else one for one in field.json_name)

    assert not broken([field for field in FIELDS if back(field) != field.name])


@pytest.mark.parametrize("message", messages(), ids=lambda message: str(message.name))
def test_no_two_getters_of_a_message_have_one_name_in_java(message: Descriptor) -> None:
    getters = Counter(getter for field in message.fields for getter in java_getters(field))
    getters.update(f"{oneof.name}_case" for oneof in message.oneofs if len(oneof.fields) > 1)
    assert not [name for name, count in getters.items() if count > 1]


def java_getters(field: FieldDescriptor) -> list[str]:
    """Return the getters that Java has for a field, in the field's own spelling."""
    entry = field.message_type
    is_map = entry is not None and bool(entry.GetOptions().map_entry)
    ends = [""]
    if is_map:
        ends += ["_map", "_count"]
    elif field.is_repeated:
        ends += ["_list", "_count"]
    if entry is not None and not is_map:
        ends += ["_builder", "_or_builder"]
        ends += ["_builder_list", "_or_builder_list"] if field.is_repeated else []
    if field.type == field.TYPE_STRING:
        ends.append("_bytes")
    if field.enum_type is not None:
        ends.append("_value")
    return [f"{field.name}{end}" for end in ends]


def test_no_type_is_named_as_one_that_generated_code_needs() -> None:
    named_so = {str(one.name) for one in (*messages(), *enums())} & TYPES_ELSEWHERE
    assert not named_so
