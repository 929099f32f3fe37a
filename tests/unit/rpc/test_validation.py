"""Field checks collect; nothing stops at the first bad field."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.money_pb2 import Money

from schoolbell.v1 import change_service_pb2
from schoolbell_server.domain.kinds import Kind
from schoolbell_server.rpc.errors import InvalidFields
from schoolbell_server.rpc.validation import Violations


def refused(violations: Violations) -> dict[str, str]:
    with pytest.raises(InvalidFields) as caught:
        violations.refuse()
    return {one.field: one.description for one in caught.value.violations}


def test_nothing_wrong_refuses_nothing() -> None:
    violations = Violations()
    assert violations.district_id("maple-2") == "maple-2"
    assert violations.district_id("-", every=True) == "-"
    assert violations.page_size(0) == 50
    assert violations.page_size(1000) == 1000
    assert violations.member(Kind, 2, "kind") is Kind.GRADE
    violations.count([1], "ids", least=1, most=1)
    violations.currency(Money(currency_code="USD"), "balance", "USD")
    assert violations.mask(FieldMask(paths=["enabled"]), {"enabled"}) == {"enabled"}
    violations.refuse()
    assert len(violations) == 0


def test_everything_wrong_is_told_at_once() -> None:
    violations = Violations()
    request = change_service_pb2.PublishChangeRequest()
    violations.required(request, "change", prefix="request.")
    violations.district_id("-")
    violations.page_size(1001)
    violations.page_size(-1, "other_size")
    assert violations.member(Kind, 0, "kind") is None
    assert violations.member(Kind, 9, "kinds[0]") is None
    violations.count([], "ids", least=1, most=500)
    violations.currency(Money(currency_code="EUR"), "balance", "USD")
    violations.mask(FieldMask(), {"enabled"})
    violations.mask(FieldMask(paths=["enabled", "etag"]), {"enabled"}, "mask")
    assert refused(violations) == {
        "request.change": "is required",
        "district_id": "must be 3 to 63 of a-z, 0-9 and hyphen",
        "page_size": "must be from 0 to 1000, is 1001",
        "other_size": "must be from 0 to 1000, is -1",
        "kind": "is required",
        "kinds[0]": "has no member with the number 9",
        "ids": "must have from 1 to 500 values, has 0",
        "balance.currency_code": "must be USD, is 'EUR'",
        "update_mask": "is required",
        "mask.paths[1]": "names 'etag', which cannot be updated",
    }


@pytest.mark.parametrize("value", ["abc", "x" * 63, "a-1", "---"])
def test_good_district_ids(value: str) -> None:
    violations: Any = Violations()
    violations.district_id(value)
    violations.refuse()


@pytest.mark.parametrize("value", ["ab", "x" * 64, "Abc", "a_b", "abc\n", "äbc", "", "١٢٣"])
def test_bad_district_ids(value: str) -> None:
    violations = Violations()
    violations.district_id(value)
    assert list(refused(violations)) == ["district_id"]
