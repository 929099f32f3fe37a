"""Every RPC's comment says in one form who calls it, what it answers, and how it refuses.

What it says of callers is what the permission table says, and every reason that it names exists.
"""

from __future__ import annotations

import re

import pytest

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.security.api_key import Role
from schoolbell_server.security.permissions import RULES
from tests.unit.contract import described

_FORM = re.compile(
    r"(?P<does>.+)\n\n- Callers: (?P<callers>.+)\.\n- Answers: (?P<answers>.+)\.\n"
    r"- Refuses: (?P<refuses>.+)\.",
    re.DOTALL,
)
_CALLING = {
    Role.PUBLISHER: "publishers",
    Role.MOBILE_BACKEND: "mobile backends",
    Role.MONITOR: "monitors",
}
_SERVICE, _METHOD = 6, 2  # field numbers of the descriptors that a comment's place is made of


def rpcs() -> dict[str, str]:
    """Return the comment of every RPC, by the RPC's path."""
    found = {}
    for file in described().file:
        for location in file.source_code_info.location:
            place = list(location.path)
            if len(place) == 4 and (place[0], place[2]) == (_SERVICE, _METHOD):
                service = file.service[place[1]]
                path = f"/{file.package}.{service.name}/{service.method[place[3]].name}"
                lines = location.leading_comments.rstrip("\n").split("\n")
                found[path] = "\n".join(line.removeprefix(" ") for line in lines)
    return found


COMMENTS = rpcs()


def callers(path: str) -> str:
    """Return what the permission table says of an RPC, in words."""
    rule = RULES[path]
    if rule.roles == set(Role):
        return "everybody with a credential"
    words = [name for role, name in _CALLING.items() if role in rule.roles]
    if Role.ADMINISTRATOR in rule.roles:
        assert rule.tool is not None and rule.right is not None
        words.append(f"administrators with {rule.tool.name} {rule.right.name}")
    if Role.OPERATOR in rule.roles:
        words.append("operators")
    return ", ".join(words)


@pytest.mark.parametrize("path", COMMENTS)
def test_a_comment_has_the_form(path: str) -> None:
    form = _FORM.fullmatch(COMMENTS[path])
    assert form, COMMENTS[path]
    assert re.sub(r"\n {2}", " ", form["callers"]) == callers(path)
    reasons = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", form["refuses"]))
    assert reasons <= {
        name.removeprefix("ERROR_REASON_") for name in ErrorReason.DESCRIPTOR.values_by_name
    }
    without = ("only the common reasons", "the reasons of ")
    assert reasons or form["refuses"].startswith(without)


def test_every_rpc_has_a_comment() -> None:
    assert set(COMMENTS) == {path for path in RULES if path.startswith("/schoolbell.")}
