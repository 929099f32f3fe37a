"""Every check of a field names the rule that it checks, and says it in words that follow a path."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.rpc.error_details_pb2 import BadRequest

from schoolbell.v1.error_reason_pb2 import FieldErrorReason
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.errors import FieldViolation, InvalidFields
from schoolbell_server.rpc.field_reasons import FieldReason
from schoolbell_server.rpc.status import MAX_TEXT, to_status

SERVER = Path(__file__).parents[3] / "server" / "schoolbell_server"
FOLDERS = ("contract", "servicers", "rpc", "acceptance")

VERBS = re.compile(r"(is|must|has|names|cannot|does|came) ")
"""How the rest of a sentence begins whose subject is the path."""

RULES = {
    r"is required": "REQUIRED",
    r"must be at most .* (bytes|characters)|must have at most .* values": "TOO_LONG",
    r"must have at least": "TOO_SHORT",
    r"has no member with the number|is not a known event": "UNKNOWN_ENUM_NUMBER",
    r".*(at most once|came before|must not repeat|twice)": "DUPLICATE",
    r".*cannot be (changed|updated)": "IMMUTABLE",
    r"must be empty(?! or)|is (only )?for |must be the only": "NOT_ALLOWED",
    r"must be empty or|must not be (the student|before)|does not fit": "INCONSISTENT",
    r"must (lie|be from|be a percentage|be a timestamp|not be negative)": "OUT_OF_RANGE",
}
"""The reason that belongs to the words of a description."""


def violations() -> Iterator[tuple[str, str, str]]:
    """Yield where each check reports a violation, what it says, and the reason it gives."""
    for folder in FOLDERS:
        for path in sorted((SERVER / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _reports(node):
                    text = _text(node.args[1])
                    if text is not None:
                        yield f"{path.name}:{node.lineno}", text, _reason(node)


def _reports(call: ast.Call) -> bool:
    called = ast.unparse(call.func)
    named = called == "self.add" or called.endswith(("report", "violations.add"))
    return named and len(call.args) >= 2


def _text(node: ast.expr) -> str | None:
    """Return a description with `{}` for what is filled in; None where it comes from elsewhere."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id="REQUIRED" | "_REQUIRED"):
            return "is required"
        case ast.JoinedStr(values=values):
            return "".join(_text(value) or "{}" for value in values)
        case ast.FormattedValue(value=value):
            return _text(value)
        case ast.BinOp(left=left):
            return _text(left)
    return None


def _reason(call: ast.Call) -> str:
    if len(call.args) < 3:
        return "BAD_FORMAT"
    return ast.unparse(call.args[2]).removeprefix("reasons.")


@pytest.mark.parametrize(("place", "text", "reason"), list(violations()))
def test_what_a_check_says_fits_after_the_path_and_before_a_full_stop(
    place: str, text: str, reason: str
) -> None:
    assert VERBS.match(text), f"{place}: the path is the subject of the sentence"
    assert not text.endswith((".", ",", ":", " ")), place
    expected = [name for pattern, name in RULES.items() if re.match(pattern, text)]
    if reason.isupper() and expected:
        assert reason == expected[0], place


def test_the_checks_are_found() -> None:
    found = list(violations())
    assert len(found) > 100
    given = {reason for _, _, reason in found}
    assert given >= {reasons.short_name(number) for number in every_reason()} - {"WRONG_CURRENCY"}


def every_reason() -> list[FieldReason]:
    return [number for number in FieldErrorReason.values() if number]


@pytest.mark.parametrize("number", every_reason(), ids=FieldErrorReason.Name)
def test_each_reason_is_short_on_the_wire_and_the_description_a_sentence(
    number: FieldReason,
) -> None:
    one = on_the_wire(FieldViolation("students[2].student_id", "is required", number))
    assert one.reason == FieldErrorReason.Name(number).removeprefix("FIELD_ERROR_REASON_")
    assert one.field == "students[2].student_id"
    assert one.description == "students[2].student_id is required."


def test_a_long_path_and_a_long_text_are_still_a_sentence() -> None:
    one = on_the_wire(FieldViolation("a" * 1_000, "is b" * 1_000, reasons.TOO_LONG))
    assert len(one.field) == MAX_TEXT
    assert one.description.startswith(f"{one.field} is b")
    assert one.description.endswith("….")


def on_the_wire(violation: FieldViolation) -> BadRequest.FieldViolation:
    details = BadRequest()
    status = to_status(InvalidFields([violation]))
    assert any(detail.Unpack(details) for detail in status.details)
    (one,) = details.field_violations
    return one
