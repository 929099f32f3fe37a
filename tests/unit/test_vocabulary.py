"""The domain's closed vocabularies and the contract's are the same, name for name."""

from __future__ import annotations

from enum import IntEnum

import pytest
from google.protobuf.descriptor import EnumDescriptor

from schoolbell_server.domain import kinds
from tests.unit.contract import enums

CONTRACT_ONLY = {
    "AuditFault",
    "BarOrigin",
    "Circuit",
    "ErrorReason",
    "FieldErrorReason",
    "GranteeType",
    "ImportMode",
    "ImportProblemCode",
    "ImportProblemSeverity",
    "ImportState",
    "LinkTrouble",
    "LinkType",
    "PrincipalType",
    "PublishResult",
    "ReceiptEvent",
    "RecordType",
    "Right",
    "Role",
    "Tool",
    "Verdict",
    "WarningCode",
    "WatchTopic",
    "Connectivity",
    "ServiceStatus",
}
"""What only the edges speak of; the domain never judges by it."""

DOMAIN = {
    name: member
    for name, member in vars(kinds).items()
    if isinstance(member, type) and issubclass(member, IntEnum) and member is not IntEnum
}
CONTRACT = {enum.name: enum for enum in enums()}


def members(enum: EnumDescriptor) -> dict[str, int]:
    """Return an enum's numbers by unprefixed name, without the unspecified zero."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {value.name.removeprefix(prefix): value.number for value in enum.values if value.number}


def test_both_have_the_same_enums() -> None:
    assert set(DOMAIN) == set(CONTRACT) - CONTRACT_ONLY


def test_the_exceptions_are_in_the_contract() -> None:
    assert set(CONTRACT) >= CONTRACT_ONLY


@pytest.mark.parametrize("name", sorted(DOMAIN))
def test_members_have_the_same_names_and_numbers(name: str) -> None:
    assert {member.name: member.value for member in DOMAIN[name]} == members(CONTRACT[name])
