"""Every reason has the code that the contract says, and details stay small."""

from __future__ import annotations

import re
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.error_table import COME_BACK, to_schoolbell_error
from schoolbell_server.rpc.errors import CODES, FieldViolation, InvalidFields, SchoolbellError
from schoolbell_server.rpc.status import MAX_DETAILS, MAX_TEXT, to_status
from schoolbell_storage.errors import OutcomeUnknown, StorageUnavailable

PROTO = Path(__file__).parents[3] / "proto" / "schoolbell" / "v1" / "error_reason.proto"


def codes_in_the_contract() -> dict[str, str]:
    """Read `// CODE: …` above each reason."""
    code, found = "", {}
    for line in PROTO.read_text().splitlines():
        if begun := re.match(r"  // ([A-Z_]+): ", line):
            code = begun[1]
        elif member := re.match(r"  (ERROR_REASON_\w+) = [1-9]", line):
            found[member[1]] = code
    return found


def test_each_reason_has_the_code_of_its_comment() -> None:
    expected = codes_in_the_contract()
    assert len(expected) == len(ErrorReason.keys()) - 1
    assert {ErrorReason.Name(reason): code.name for reason, code in CODES.items()} == expected


def test_bad_fields_are_told_in_one_error() -> None:
    error = InvalidFields(
        [
            FieldViolation("a", "is required", reasons.REQUIRED),
            FieldViolation("b", "is odd", reasons.BAD_FORMAT),
        ]
    )
    assert str(error) == "a is required, and 1 more"
    assert error.metadata == {"total": "2"}
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("text", ["x" * 100_000, "\N{BELL}" * 100_000])
def test_no_text_makes_details_large(text: str) -> None:
    error = SchoolbellError(
        ErrorReason.ERROR_REASON_INVALID_FIELD,
        text,
        metadata={"total": text},
        violations=[FieldViolation(text, text, reasons.TOO_LONG)] * 100,
        retry_after=COME_BACK,
    )
    status = to_status(error)
    assert status.ByteSize() <= MAX_DETAILS
    assert len(status.message) == MAX_TEXT
    kinds = [detail.type_url.rpartition("/")[2] for detail in status.details]
    messages = (ErrorInfo, RetryInfo, BadRequest)
    assert kinds == [kind.DESCRIPTOR.full_name for kind in messages]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StorageUnavailable("x"), "STORAGE_UNAVAILABLE"),
        (OutcomeUnknown("x"), "STORAGE_UNAVAILABLE"),
        (NotImplementedError(), "NOT_IMPLEMENTED"),
        (KeyError("x"), "INTERNAL"),
        (ExceptionGroup("x", [KeyError("x"), StorageUnavailable("y")]), "STORAGE_UNAVAILABLE"),
        (ExceptionGroup("x", [KeyError("x")]), "INTERNAL"),
    ],
)
def test_what_layers_raise_has_a_reason(error: Exception, reason: str) -> None:
    told = to_schoolbell_error(error, "schoolbell.v1.X/Y", "r-1")
    assert ErrorReason.Name(told.reason) == f"ERROR_REASON_{reason}"
    assert "x" not in told.message.split()


def test_one_callers_method_never_reaches_another() -> None:
    first = to_schoolbell_error(NotImplementedError(), "A", "1")
    second = to_schoolbell_error(NotImplementedError(), "B", "2")
    assert (first.metadata, second.metadata) == ({"method": "A"}, {"method": "B"})
