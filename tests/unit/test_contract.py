"""Rules of the contract that buf does not know. Each test names what breaks its rule."""

from __future__ import annotations

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor

from tests.unit.contract import enums, files, messages, methods

METHODS = list(methods())
FIELDS = [field for message in messages() for field in message.fields]

REPLACES_WHOLE = "schoolbell.v1.SubscriptionService.UpdateSubscriptions"


def is_of(field: FieldDescriptor, name: str) -> bool:
    """Say whether a field holds the message of this full name."""
    return field.message_type is not None and field.message_type.full_name == name


def is_called(field: FieldDescriptor, name: str) -> bool:
    """Say whether a field's name is, or ends in, this word."""
    return f"_{field.name}".endswith(f"_{name}")


def names(broken: list[FieldDescriptor] | list[MethodDescriptor]) -> list[str]:
    """Return the full names, for a failure that can be read."""
    return [str(one.full_name) for one in broken]


def test_every_service_is_here() -> None:
    services = {service for file in files() for service in file.services_by_name}
    assert services == {
        "AccessService",
        "ChangeService",
        "DeviceService",
        "DistrictService",
        "RosterService",
        "SettingsService",
        "StatusService",
        "SubscriptionService",
    }


def test_a_unary_method_says_whether_it_may_be_repeated() -> None:
    unary = [one for one in METHODS if not (one.client_streaming or one.server_streaming)]
    assert not names([one for one in unary if not one.GetOptions().HasField("idempotency_level")])


def test_exactly_the_methods_that_only_read_are_marked_so() -> None:
    def is_marked(method: MethodDescriptor) -> bool:
        options = method.GetOptions()
        return bool(options.idempotency_level == options.NO_SIDE_EFFECTS)

    def reads(method: MethodDescriptor) -> bool:
        return method.name.startswith(("Get", "List", "Explain"))

    assert not names([one for one in METHODS if reads(one) != is_marked(one)])


def test_a_request_names_its_district_first() -> None:
    def names_district(method: MethodDescriptor) -> bool:
        field = method.input_type.fields_by_number[1]
        return (field.name, field.type) == ("district_id", field.TYPE_STRING)

    assert not names([one for one in METHODS if not names_district(one)])


def test_a_list_pages() -> None:
    def pages(method: MethodDescriptor) -> bool:
        asked = {"page_size", "page_token"} <= set(method.input_type.fields_by_name)
        return asked and "next_page_token" in method.output_type.fields_by_name

    lists = [one for one in METHODS if one.name.startswith("List")]
    assert not names([one for one in lists if not pages(one)])


def test_an_update_takes_a_mask() -> None:
    updates = [one for one in METHODS if one.name.startswith("Update")]
    without = [one for one in updates if "update_mask" not in one.input_type.fields_by_name]
    assert names(without) == [REPLACES_WHOLE]


def test_times_and_only_they_are_named_times() -> None:
    timestamp = "google.protobuf.Timestamp"
    assert not names([f for f in FIELDS if is_called(f, "time") != is_of(f, timestamp)])


def test_dates_and_only_they_are_named_dates() -> None:
    assert not names([f for f in FIELDS if is_called(f, "date") != is_of(f, "google.type.Date")])


def test_balances_are_money() -> None:
    balances = [f for f in FIELDS if is_called(f, "balance") and not f.containing_oneof]
    assert len(balances) == 3
    assert not names([f for f in balances if not is_of(f, "google.type.Money")])


def test_field_numbers_are_dense() -> None:
    for message in messages():
        numbers = sorted(message.fields_by_number)
        assert numbers == list(range(1, len(numbers) + 1)), message.full_name


def test_enums_start_unspecified() -> None:
    for enum in enums():
        assert enum.values_by_number[0].name.endswith("_UNSPECIFIED"), enum.full_name


def test_files_name_their_packages() -> None:
    for file in files():
        options = file.GetOptions()
        assert options.go_package == "schoolbell/v1;schoolbellv1", file.name
        assert options.java_package == "schoolbell.v1", file.name
        assert options.java_multiple_files, file.name
