"""Every refusal says what the call needs and what the key is."""

from __future__ import annotations

import pytest

from schoolbell_server.security.api_key import EVERY_DISTRICT, ApiKey, Right, Role, Tool
from schoolbell_server.security.denials import describe
from schoolbell_server.security.permissions import RULES, refusal

EXPLAIN = "/schoolbell.v1.ChangeService/ExplainChange"
PUBLISH = "/schoolbell.v1.ChangeService/PublishChange"
SETTINGS = "/schoolbell.v1.SettingsService/UpdateSettings"
KEYS = "/schoolbell.v1.AccessService/ListApiKeys"


def key(role: Role, **more: object) -> ApiKey:
    made: dict[str, object] = {"district_ids": frozenset({"maple"}), **more}
    return ApiKey(key_id="k", secret_hash="", role=role, **made)  # type: ignore[arg-type]


def told(method: str, caller: ApiKey, district_id: str = "maple") -> str:
    rule = RULES[method]
    found = refusal(rule, caller, district_id)
    assert found is not None
    return describe(rule, caller, district_id, found)


CLERK = key(
    Role.ADMINISTRATOR,
    user_id="clerk",
    rights={"maple": {Tool.PUSH_NOTIFICATIONS: Right.READ}},
)
CASES: dict[str, tuple[str, ApiKey, str, str]] = {
    "role and right": (
        EXPLAIN,
        key(Role.OPERATOR),
        "maple",
        "needs EXPLANATIONS READ of an administrator; this key is an operator's",
    ),
    "role": (
        PUBLISH,
        key(Role.MONITOR),
        "maple",
        "needs a publisher's key; this key is a monitor's",
    ),
    "no right": (
        EXPLAIN,
        CLERK,
        "maple",
        "needs EXPLANATIONS READ; clerk, for whom this key acts, has no right on it",
    ),
    "a smaller right": (
        SETTINGS,
        CLERK,
        "maple",
        "needs PUSH_NOTIFICATIONS WRITE; clerk, for whom this key acts, has only READ",
    ),
    "another district": (
        EXPLAIN,
        CLERK,
        "oak",
        "this key is not for the district oak; it is for maple",
    ),
    "sources": (
        "/schoolbell.v1.RosterService/SetActiveSchoolYear",
        key(Role.PUBLISHER, sources=frozenset({"sis"})),
        "maple",
        "needs a key for every source; this key is limited to sis",
    ),
    "every district": (
        KEYS,
        key(Role.OPERATOR),
        EVERY_DISTRICT,
        "needs an operator's key for every district, or the name of one district",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_refusal_names_what_is_missing(case: str) -> None:
    method, caller, district_id, sentence = CASES[case]
    assert told(method, caller, district_id) == sentence


@pytest.mark.parametrize("role", Role)
def test_every_rpc_says_to_every_other_role_whom_it_is_for(role: Role) -> None:
    for name, rule in RULES.items():
        if not rule.public and role not in rule.roles:
            sentence = told(name, key(role))
            assert sentence.startswith("needs "), name
            assert sentence.endswith(f" {role.name.lower().replace('_', ' ')}'s"), name


def test_a_key_for_many_districts_names_a_few() -> None:
    many = key(Role.MONITOR, district_ids=frozenset(f"d-{number}" for number in range(9)))
    assert (
        told("/schoolbell.v1.StatusService/GetStatus", many)
        == "this key is not for the district maple; it is for d-0, d-1, d-2, d-3, d-4 and 4 more"
    )
