"""Every RPC has a rule, and every role gets from it exactly what the table of expectations says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from google.protobuf import descriptor_pool

from schoolbell.v1 import (
    access_service_pb2,
    change_service_pb2,
    device_service_pb2,
    district_service_pb2,
    roster_service_pb2,
    settings_service_pb2,
    status_service_pb2,
    subscription_service_pb2,
)
from schoolbell_server.security.api_key import ApiKey, Right, Role, Tool, new_api_key
from schoolbell_server.security.permissions import (
    RULES,
    Denial,
    Reach,
    Rule,
    may_hand_out,
    refusal,
)

FILES = [
    access_service_pb2,
    change_service_pb2,
    device_service_pb2,
    district_service_pb2,
    roster_service_pb2,
    settings_service_pb2,
    status_service_pb2,
    subscription_service_pb2,
]
METHODS = [
    f"/{service.full_name}/{method.name}"
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
EVERY_RIGHT = dict.fromkeys(Tool, Right.WRITE)

ALLOWED: dict[Role, set[str]] = {
    Role.PUBLISHER: {
        "ImportRoster GetImport ListImports UpsertRecords DeactivateRecords GetStudent",
        "ListStudents GetUser ListSchools ListCalendars SetActiveSchoolYear",
        "PublishChange BatchPublishChanges StreamPublishChanges GetChange ListChanges",
        "GetCaller GetServerInfo",
    },
    Role.MOBILE_BACKEND: {
        "RegisterDevice BatchRegisterDevices GetDevice ListDevices UpdateDevice",
        "UnregisterDevice SignOut ReportReceipts GetNotification SendTestNotification",
        "GetSubscriptions UpdateSubscriptions ResetSubscriptions",
        "GetCaller GetServerInfo",
    },
    Role.MONITOR: {
        "GetDistrict ListDistricts",
        "GetStatus ListServiceStates WatchStatus GetDelivery ListDeliveries GetTallies",
        "GetCaller GetServerInfo",
    },
    Role.ADMINISTRATOR: {
        "GetDistrict ListDistricts",
        "GetSettings UpdateSettings GetDisplayOptions ListDisplayOptions UpdateDisplayOptions",
        "ResetDisplayOptions ListUsers ListSchools ListCalendars SetBar ListBars",
        "GetImport ListImports UpsertRecords DeactivateRecords GetStudent ListStudents GetUser",
        "SetActiveSchoolYear GetDevice ListDevices SignOut SendTestNotification GetSubscriptions",
        "GetChange ListChanges ExplainChange ListDecisions GetCaller GetServerInfo",
        "GetStatus ListServiceStates WatchStatus GetDelivery ListDeliveries GetTallies",
        "RetryDeliveries CancelDeliveries",
        "GrantRights RevokeRights ListRights CreateApiKey ListApiKeys RevokeApiKey",
        "ListAuditEntries VerifyAuditLog ExportPersonData ErasePersonData",
    },
    Role.OPERATOR: {
        "CreateDistrict GetDistrict ListDistricts UpdateDistrict DeleteDistrict",
        "GetSettings GetDisplayOptions ListDisplayOptions GetImport ListImports",
        "ListSchools ListCalendars SetBar ListBars GetCaller GetServerInfo",
        "GetStatus ListServiceStates WatchStatus GetDelivery ListDeliveries GetTallies",
        "RetryDeliveries CancelDeliveries",
        "GrantRights RevokeRights ListRights CreateApiKey ListApiKeys RevokeApiKey",
        "ListAuditEntries VerifyAuditLog",
    },
}


FOR_EVERYBODY = {"GetCaller", "GetServerInfo"}

WITHIN_SOURCES = {
    "ImportRoster GetImport ListImports UpsertRecords DeactivateRecords GetStudent",
    "ListStudents GetUser ListSchools ListCalendars",
    "PublishChange BatchPublishChanges StreamPublishChanges GetChange ListChanges",
    "GetDistrict ListDistricts GetStatus ListServiceStates WatchStatus GetDelivery",
    "ListDeliveries GetCaller GetServerInfo",
}
"""What a key that is limited to sources may call, if its role may: the rest is for no source."""


def key(role: Role, district_id: str = "maple", rights: dict[Tool, Right] | None = None) -> ApiKey:
    return new_api_key(
        district_ids=[district_id], role=role, rights={district_id: rights} if rights else None
    )[0]


def test_the_contracts_services_are_all_here() -> None:
    pool = descriptor_pool.Default()
    for method in METHODS:
        pool.FindMethodByName(method[1:].replace("/", "."))
    assert len(FILES) == 8
    assert len(METHODS) == len(set(METHODS)) > 50


@pytest.mark.parametrize("method", METHODS)
def test_every_rpc_has_a_rule_for_some_role(method: str) -> None:
    assert RULES[method].roles
    assert not RULES[method].public


def test_no_rule_is_for_an_rpc_that_is_not_there() -> None:
    assert {method for method in RULES if method.startswith("/schoolbell.")} == set(METHODS)


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_call_what_is_expected_and_nothing_else(role: Role) -> None:
    caller = key(role, rights=EVERY_RIGHT)
    allowed = {method for method in METHODS if refusal(RULES[method], caller, "maple") is None}
    expected = {name for line in ALLOWED[role] for name in line.split()}
    assert {method.rpartition("/")[2] for method in allowed} == expected


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("method", METHODS)
def test_nobody_acts_in_another_district(method: str, role: Role) -> None:
    caller = key(role, rights=EVERY_RIGHT)
    assert refusal(RULES[method], caller, "oak") == Denial()


@pytest.mark.parametrize("method", METHODS)
def test_an_administrator_needs_the_very_tool_right(method: str) -> None:
    rule = RULES[method]
    if Role.ADMINISTRATOR not in rule.roles or method.rpartition("/")[2] in FOR_EVERYBODY:
        assert rule.tool is None
        return
    assert rule.tool is not None and rule.right is not None
    others = {tool: Right.WRITE for tool in Tool if tool is not rule.tool}
    missing = Denial(tool=rule.tool, right=rule.right)
    assert refusal(rule, key(Role.ADMINISTRATOR, rights=others), "maple") == missing
    reader = key(Role.ADMINISTRATOR, rights={rule.tool: Right.READ})
    assert refusal(rule, reader, "maple") == (missing if rule.right is Right.WRITE else None)


def test_mutations_need_the_right_to_write() -> None:
    reading = ("Get", "List", "Watch", "Explain", "Export", "Verify")
    for method in METHODS:
        rule = RULES[method]
        if rule.right is Right.READ:
            assert method.rpartition("/")[2].startswith(reading)


def test_every_readable_district_may_be_asked_for_with_a_key_for_one() -> None:
    for name in ("ListServiceStates", "WatchStatus", "ListDeliveries", "GetTallies"):
        rule = RULES[f"/schoolbell.v1.StatusService/{name}"]
        assert rule.reach is Reach.READABLE
        assert refusal(rule, key(Role.MONITOR), "-") is None
    one = RULES["/schoolbell.v1.StatusService/GetStatus"]
    assert refusal(one, key(Role.MONITOR), "-") == Denial()


@pytest.mark.parametrize("role", list(Role))
def test_a_key_that_is_limited_to_sources_may_call_what_is_of_sources(role: Role) -> None:
    whole = key(role, rights=EVERY_RIGHT)
    limited = replace(whole, sources=frozenset({"sis"}))
    within = {name for line in WITHIN_SOURCES for name in line.split()}
    for method in METHODS:
        if refusal(RULES[method], whole, "maple") is not None:
            continue
        expected = None if method.rpartition("/")[2] in within else Denial(sources=True)
        assert refusal(RULES[method], limited, "maple") == expected, method


@pytest.mark.parametrize(
    ("rights", "allowed"),
    [
        ({}, {Role.ADMINISTRATOR}),
        ({Tool.ACCESS: Right.WRITE}, {Role.ADMINISTRATOR}),
        ({Tool.PUSH_NOTIFICATIONS: Right.READ}, {Role.ADMINISTRATOR, Role.MONITOR}),
        (EVERY_RIGHT, {Role.ADMINISTRATOR, Role.MONITOR}),
    ],
)
def test_an_administrator_hands_out_only_roles_that_may_do_no_more(
    rights: dict[Tool, Right], allowed: set[Role]
) -> None:
    caller = key(Role.ADMINISTRATOR, rights=rights)
    assert {role for role in Role if may_hand_out(caller, role, "maple")} == allowed
    operator = key(Role.OPERATOR)
    assert all(may_hand_out(operator, role, "maple") for role in Role)


@pytest.mark.parametrize(
    ("role", "district_id", "allowed"),
    [
        (Role.OPERATOR, "-", True),
        (Role.OPERATOR, "maple", False),
        (Role.ADMINISTRATOR, "-", False),
        (Role.ADMINISTRATOR, "maple", False),
    ],
)
def test_keys_for_every_district_are_made_only_by_an_operator_for_every_district(
    role: Role, district_id: str, allowed: bool
) -> None:
    rule = RULES["/schoolbell.v1.AccessService/CreateApiKey"]
    caller = key(role, district_id, EVERY_RIGHT)
    assert (refusal(rule, caller, "-") is None) is allowed


def test_a_rule_that_says_nothing_refuses_everybody() -> None:
    for role in Role:
        assert refusal(Rule(), key(role, "-", EVERY_RIGHT), "maple") == Denial()
        assert refusal(Rule(roles=frozenset({role})), key(role, "-"), "-") == Denial()


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (Role, access_service_pb2.Role, "ROLE_"),
        (Tool, access_service_pb2.Tool, "TOOL_"),
        (Right, access_service_pb2.Right, "RIGHT_"),
    ],
)
def test_the_numbers_are_the_contracts(ours: type[Role], theirs: type, prefix: str) -> None:
    numbers = {name: number for name, number in theirs.items() if number}  # type: ignore[attr-defined]
    assert {prefix + member.name: int(member) for member in ours} == numbers
