"""Rules of the contract's RPCs that buf does not know. Each test names what breaks its rule."""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from tests.unit.contract import enums, files, messages, methods

METHODS = list(methods())

REPLACES_WHOLE = "schoolbell.v1.SubscriptionService.UpdateSubscriptions"
OF_NO_DISTRICT = {"GetCaller", "GetServerInfo"}
READS = ("Get", "List", "Explain")
MAY_READ = (*READS, "Watch", "Export", "Verify")
"""What these answer may be recorded, so that they are no mere reads."""


def names(broken: list[MethodDescriptor]) -> list[str]:
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


def test_a_method_says_whether_it_may_be_repeated_streams_too() -> None:
    assert not names([one for one in METHODS if not one.GetOptions().HasField("idempotency_level")])


def test_the_methods_that_only_read_are_marked_so() -> None:
    def is_marked(method: MethodDescriptor) -> bool:
        options = method.GetOptions()
        return bool(options.idempotency_level == options.NO_SIDE_EFFECTS)

    assert not names([one for one in METHODS if one.name.startswith(READS) and not is_marked(one)])
    assert not names(
        [one for one in METHODS if is_marked(one) and not one.name.startswith(MAY_READ)]
    )


def test_a_request_names_its_district_first() -> None:
    def names_district(method: MethodDescriptor) -> bool:
        field = method.input_type.fields_by_number.get(1)
        return field is not None and (field.name, field.type) == ("district_id", field.TYPE_STRING)

    asked = [one for one in METHODS if one.name not in OF_NO_DISTRICT]
    assert not names([one for one in asked if not names_district(one)])


def test_an_update_takes_a_mask() -> None:
    updates = [one for one in METHODS if one.name.startswith("Update")]
    without = [one for one in updates if "update_mask" not in one.input_type.fields_by_name]
    assert names(without) == [REPLACES_WHOLE]


def test_enums_start_unspecified() -> None:
    for enum in enums():
        assert enum.values_by_number[0].name.endswith("_UNSPECIFIED"), enum.full_name


# AIP-158: pages.


def test_a_list_pages() -> None:
    def pages(method: MethodDescriptor) -> bool:
        asked = {"page_size", "page_token"} <= set(method.input_type.fields_by_name)
        return asked and "next_page_token" in method.output_type.fields_by_name

    lists = [one for one in METHODS if one.name.startswith("List")]
    assert not names([one for one in lists if not pages(one)])


def test_what_pages_does_so_in_one_way() -> None:
    types = {
        "page_size": FieldDescriptor.TYPE_INT32,
        "page_token": FieldDescriptor.TYPE_STRING,
        "next_page_token": FieldDescriptor.TYPE_STRING,
    }
    for message in messages():
        for name, kind in types.items():
            field = message.fields_by_name.get(name)
            assert field is None or (field.type, field.is_repeated) == (kind, False), name
    for method in METHODS:
        asked = {"page_size", "page_token"} & set(method.input_type.fields_by_name)
        answered = "next_page_token" in method.output_type.fields_by_name
        assert len(asked) == (2 if answered else 0), method.full_name


def test_a_page_is_a_list_that_comes_first() -> None:
    def begins_with_its_list(answer: Descriptor) -> bool:
        lists = [field.number for field in answer.fields if field.is_repeated]
        return lists == [1]

    lists = [one for one in METHODS if "next_page_token" in one.output_type.fields_by_name]
    assert not names([one for one in lists if not begins_with_its_list(one.output_type)])
