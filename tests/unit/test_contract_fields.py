"""How the contract's fields are named and typed: AIP-140 to 143, 203, 216, and rules for counts.

Each test names the fields that break its rule.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable

import pytest
from google.protobuf.descriptor import FieldDescriptor

from tests.unit.contract import behaviors, enums, fields, in_requests, named, owner, words

FIELDS = fields()
INTEGERS = {
    FieldDescriptor.TYPE_INT32,
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_UINT32,
    FieldDescriptor.TYPE_UINT64,
    FieldDescriptor.TYPE_SINT32,
    FieldDescriptor.TYPE_SINT64,
    FieldDescriptor.TYPE_FIXED32,
    FieldDescriptor.TYPE_FIXED64,
    FieldDescriptor.TYPE_SFIXED32,
    FieldDescriptor.TYPE_SFIXED64,
}
NOT_COUNTED = ("number", "index", "size", "year", "version", "revision")
"""Last words of integers that number or measure something, and count nothing."""
PREPOSITIONS = words(
    """after at before between but by except for from in including into of over per since to toward
    under upon with within without"""
)
WITH_PREPOSITION = words("after before closed_by inherited_from stay_logged_in time_to_live")
"""Terms of the trade, or without a shorter word for the same."""
KEYWORDS = set(keyword.kwlist) | words(
    """abstract boolean break byte case catch char const continue default do double enum extends
    final finally float goto if implements int interface long native new null package private
    protected public short static super switch synchronized this throw throws transient void
    volatile"""
)
KEYS_OF_VALUES = {"GateFact.name"}
"""Names that are the key of a value beside them."""
PLURAL_MEASURES = {"points"}
COLLECTIVE = {"metadata", "backlog"}
SINGULAR_ENDINGS = ("ss", "us", "is")


def broken(found: Iterable[FieldDescriptor]) -> list[str]:
    """Return the fields' names with their messages, for a failure that can be read."""
    return [named(field) for field in found]


def last_word(field: FieldDescriptor) -> str:
    """Return the last word of a field's name."""
    return str(field.name).rpartition("_")[2]


def is_of(field: FieldDescriptor, name: str) -> bool:
    """Say whether a field holds the message of this full name."""
    return field.message_type is not None and field.message_type.full_name == name


def is_own_message(field: FieldDescriptor) -> bool:
    """Say whether a field holds a message of the contract."""
    return field.message_type is not None and field.message_type.file.package == "schoolbell.v1"


# AIP-140: names.


def test_names_are_lower_snake_case_and_no_word_begins_with_a_digit() -> None:
    good = re.compile(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*")
    assert not broken(field for field in FIELDS if not good.fullmatch(field.name))


def test_names_have_no_prepositions_where_they_can_do_without() -> None:
    asked = [field for field in FIELDS if field.name not in WITH_PREPOSITION]
    assert not broken(field for field in asked if PREPOSITIONS & set(field.name.split("_")))


def test_names_are_no_keywords() -> None:
    assert not broken(field for field in FIELDS if field.name in KEYWORDS)


def test_nothing_is_only_called_name() -> None:
    """What identifies is an id, what people read a display name or the name of something."""
    called = [field for field in FIELDS if field.name == "name"]
    assert not [name for name in broken(called) if name not in KEYS_OF_VALUES]


def test_a_field_does_not_say_the_name_of_its_message_again() -> None:
    def says(field: FieldDescriptor) -> bool:
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", owner(field)).lower()
        allowed = {f"{name}_id", f"{name}_key"}
        return field.name.startswith(f"{name}_") and field.name not in allowed

    assert not broken(field for field in FIELDS if says(field))


def test_only_lists_have_plural_names() -> None:
    def is_plural(field: FieldDescriptor) -> bool:
        word = last_word(field)
        return word.endswith("s") and not word.endswith(SINGULAR_ENDINGS)

    single = [field for field in FIELDS if not field.is_repeated and field.message_type is None]
    measured = [field for field in single if last_word(field) in PLURAL_MEASURES]
    assert not broken(field for field in single if is_plural(field) and field not in measured)
    lists = [field for field in FIELDS if field.is_repeated and field.name not in COLLECTIVE]
    assert not broken(field for field in lists if not is_plural(field))


# AIP-141: quantities.


def test_an_integer_is_a_count_or_says_what_it_numbers() -> None:
    integers = [field for field in FIELDS if field.type in INTEGERS]
    assert not broken(
        field for field in integers if last_word(field) not in ("count", *NOT_COUNTED)
    )


def test_a_count_is_an_integer() -> None:
    counts = [field for field in FIELDS if last_word(field) == "count"]
    assert not broken(field for field in counts if field.type not in INTEGERS or field.is_repeated)


def test_integers_are_signed_and_of_the_plain_encoding() -> None:
    plain = {FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64}
    assert not broken(field for field in FIELDS if field.type in INTEGERS - plain)


def test_a_percentage_is_a_double() -> None:
    percentages = [field for field in FIELDS if last_word(field) == "percent"]
    assert not broken(field for field in percentages if field.type != field.TYPE_DOUBLE)


def test_balances_are_money() -> None:
    balances = [field for field in FIELDS if last_word(field) == "balance"]
    held = [field for field in balances if not field.containing_oneof]
    assert held
    assert not broken(field for field in held if not is_of(field, "google.type.Money"))


# AIP-142: times.


def test_times_and_only_they_are_named_times() -> None:
    def is_time(field: FieldDescriptor) -> bool:
        return is_of(field, "google.protobuf.Timestamp")

    assert not broken(f for f in FIELDS if (last_word(f) == "time") != is_time(f))


def test_a_time_is_named_by_what_is_done_not_by_what_was() -> None:
    assert not broken(field for field in FIELDS if field.name.endswith("ed_time"))


def test_dates_and_only_they_are_named_dates() -> None:
    def is_date(field: FieldDescriptor) -> bool:
        return is_of(field, "google.type.Date")

    assert not broken(f for f in FIELDS if (last_word(f) == "date") != is_date(f))


def test_a_length_of_time_is_a_duration() -> None:
    units = {"days", "hours", "micros", "millis", "minutes", "ms", "nanos", "seconds", "weeks"}
    assert not broken(field for field in FIELDS if last_word(field) in units)


# AIP-143: codes.


@pytest.mark.parametrize(
    ("about", "name"),
    [
        ({"currency"}, "currency_code"),
        ({"timezone", "tz", "zone"}, "time_zone"),
        ({"language", "lang", "locale"}, "locale"),
        ({"country", "region"}, "region_code"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_code_has_its_standard_name_and_is_a_text(about: set[str], name: str) -> None:
    found = [field for field in FIELDS if about & set(field.name.split("_"))]
    texts = [field for field in found if field.enum_type is None and not is_own_message(field)]
    assert not broken(
        field
        for field in texts
        if field.type != field.TYPE_STRING or not f"_{field.name}".endswith(f"_{name}")
    )


# AIP-203: how fields are used.


def test_every_field_of_a_request_says_how_it_is_used() -> None:
    """A member of a oneof is excepted: that it is one of several says it."""
    asked = [field for field in in_requests() if not is_member(field)]
    assert not broken(field for field in asked if not behaviors(field))


def test_what_a_field_says_of_its_use_is_not_contradictory() -> None:
    exclusive = [{"REQUIRED", "OPTIONAL"}, {"REQUIRED", "OUTPUT_ONLY"}, {"OPTIONAL", "OUTPUT_ONLY"}]
    assert not broken(f for f in FIELDS if any(pair <= behaviors(f) for pair in exclusive))


def test_a_field_of_a_request_itself_is_no_output() -> None:
    asked = [field for field in in_requests() if owner(field).endswith("Request")]
    assert not broken(field for field in asked if "OUTPUT_ONLY" in behaviors(field))


def test_a_required_flag_can_be_told_from_a_forgotten_one() -> None:
    flags = [field for field in FIELDS if field.type == field.TYPE_BOOL]
    required = [field for field in flags if "REQUIRED" in behaviors(field)]
    assert not broken(field for field in required if not field.has_presence)


def is_member(field: FieldDescriptor) -> bool:
    """Say whether a field is one of several of which one is set."""
    group = field.containing_oneof
    return group is not None and len(group.fields) > 1


# AIP-216: states.


def test_states_and_only_they_are_of_an_enum_of_states() -> None:
    def is_called_state(field: FieldDescriptor) -> bool:
        return last_word(field) in ("state", "states")

    def is_state(field: FieldDescriptor) -> bool:
        return field.enum_type is not None and field.enum_type.name.endswith("State")

    chosen = [field for field in FIELDS if field.enum_type is not None]
    assert not broken(field for field in chosen if is_called_state(field) != is_state(field))


def test_an_enum_of_states_is_a_state_of_something() -> None:
    assert not [enum.name for enum in enums() if enum.name == "State"]


def test_nobody_sets_a_state() -> None:
    states = [f for f in in_requests() if f.enum_type is not None and last_word(f) == "state"]
    assert not broken(field for field in states if "OUTPUT_ONLY" not in behaviors(field))
