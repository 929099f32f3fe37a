"""Errors as `google.rpc.Status`: one ErrorInfo, and small enough to arrive.

Details travel in metadata, where 20 kB turn any error into RESOURCE_EXHAUSTED; so bad fields are
capped at 20 and the details at 4 KiB, and `total` tells how many there were.
"""

from __future__ import annotations

from typing import NamedTuple

from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from schoolbell_server.rpc import field_reasons
from schoolbell_server.rpc.errors import FieldViolation, SchoolbellError, short_name

DOMAIN = "schoolbell"
DETAILS_KEY = "grpc-status-details-bin"
REQUEST_ID = "x-request-id"
"""The metadata key of a call's id: the caller may send one, and every error carries it."""
MAX_FIELDS = 20
MAX_DETAILS = 4096  # bytes
MAX_TEXT = 256  # characters of a message, a path, what is said after it, or a metadata value

_FRAMING = 64  # bytes that an Any and its field header add, at most


class TrailingStatus(NamedTuple):
    """A status as `abort_with_status` takes it."""

    code: StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


def to_status(error: SchoolbellError) -> Status:
    """Return an error as a message, for a trailer or for one ack of a batch."""
    status = Status(code=error.code.value[0], message=_short(error.message))
    _pack(status, _error_info(error))
    if error.retry_after is not None:
        retry = RetryInfo()
        retry.retry_delay.FromTimedelta(error.retry_after)
        _pack(status, retry)
    if error.violations:
        _pack(status, _bad_request(error, MAX_DETAILS - status.ByteSize() - _FRAMING))
    return status


def to_trailing_status(error: SchoolbellError, request_id: str) -> TrailingStatus:
    """Return an error as the end of a call."""
    status = to_status(error)
    metadata = ((DETAILS_KEY, status.SerializeToString()), (REQUEST_ID, request_id))
    return TrailingStatus(error.code, status.message, metadata)


def _error_info(error: SchoolbellError) -> ErrorInfo:
    metadata = {name: _short(value) for name, value in error.metadata.items()}
    return ErrorInfo(reason=short_name(error.reason), domain=DOMAIN, metadata=metadata)


def _bad_request(error: SchoolbellError, room: int) -> BadRequest:
    details = BadRequest()
    for violation in error.violations[:MAX_FIELDS]:
        details.field_violations.add(
            field=_short(violation.field),
            description=_sentence(violation),
            reason=field_reasons.short_name(violation.reason),
        )
        if details.ByteSize() > room:
            del details.field_violations[-1]
            break
    return details


def _sentence(violation: FieldViolation) -> str:
    return f"{_short(violation.field)} {_short(violation.description)}."


def _pack(status: Status, detail: Message) -> None:
    status.details.add().Pack(detail)


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
