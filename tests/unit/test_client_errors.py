"""The client's errors say what the service says, once."""

from __future__ import annotations

import pytest
from google.rpc.code_pb2 import INVALID_ARGUMENT
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status

from schoolbell.errors import FieldError, InvalidArgument, from_status

SENTENCES = ("changes[2].student_id is required.", "changes[3].occur_time is required.")


def refusal(*sentences: str, total: str, prefix: str = "") -> Status:
    status = Status(code=INVALID_ARGUMENT, message="changes[2].student_id is required, and 1 more")
    info = ErrorInfo(reason="INVALID_FIELD", domain="schoolbell", metadata={"total": total})
    bad = BadRequest()
    for sentence in sentences:
        bad.field_violations.add(
            field=sentence.split()[0], description=sentence, reason=f"{prefix}REQUIRED"
        )
    for detail in (info, bad):
        status.details.add().Pack(detail)
    return status


@pytest.mark.parametrize("prefix", ["", "FIELD_ERROR_REASON_"])
def test_a_bad_field_has_its_path_its_sentence_and_its_reason(prefix: str) -> None:
    error = from_status(refusal(*SENTENCES, total="2", prefix=prefix))
    assert isinstance(error, InvalidArgument)
    assert error.fields == [FieldError(text.split()[0], text, "REQUIRED") for text in SENTENCES]


@pytest.mark.parametrize(
    ("total", "more"), [("2", ""), ("23", " And 21 more."), ("", ""), ("many", "")]
)
def test_the_text_tells_of_each_field_once(total: str, more: str) -> None:
    error = from_status(refusal(*SENTENCES, total=total))
    assert str(error) == f"INVALID_ARGUMENT INVALID_FIELD: {' '.join(SENTENCES)}{more}"


def test_without_bad_fields_the_text_is_the_message() -> None:
    error = from_status(Status(code=INVALID_ARGUMENT, message="not a page token"))
    assert str(error) == "INVALID_ARGUMENT: not a page token"
