"""Errors that a caller is told of.

A `SchoolbellError` is a reason of the contract, a sentence, and what a program needs: metadata, bad
fields, a time to come back. The reason decides the status code, once, in `CODES`.

SchoolbellError
└── InvalidFields   fields of the request break their rules
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grpc import StatusCode

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.rpc.field_reasons import FieldReason

CODES: dict[ErrorReason.ValueType, StatusCode] = {
    ErrorReason.ERROR_REASON_INVALID_FIELD: StatusCode.INVALID_ARGUMENT,
    ErrorReason.ERROR_REASON_MALFORMED_MESSAGE: StatusCode.INVALID_ARGUMENT,
    ErrorReason.ERROR_REASON_MESSAGE_TOO_LARGE: StatusCode.RESOURCE_EXHAUSTED,
    ErrorReason.ERROR_REASON_UNAUTHENTICATED: StatusCode.UNAUTHENTICATED,
    ErrorReason.ERROR_REASON_KEY_EXPIRED: StatusCode.UNAUTHENTICATED,
    ErrorReason.ERROR_REASON_KEY_REVOKED: StatusCode.UNAUTHENTICATED,
    ErrorReason.ERROR_REASON_PERMISSION_DENIED: StatusCode.PERMISSION_DENIED,
    ErrorReason.ERROR_REASON_SOURCE_NOT_ALLOWED: StatusCode.PERMISSION_DENIED,
    ErrorReason.ERROR_REASON_DISTRICT_NOT_FOUND: StatusCode.NOT_FOUND,
    ErrorReason.ERROR_REASON_STUDENT_NOT_FOUND: StatusCode.NOT_FOUND,
    ErrorReason.ERROR_REASON_CALENDAR_NOT_FOUND: StatusCode.NOT_FOUND,
    ErrorReason.ERROR_REASON_USER_NOT_FOUND: StatusCode.NOT_FOUND,
    ErrorReason.ERROR_REASON_DEVICE_NOT_FOUND: StatusCode.NOT_FOUND,
    ErrorReason.ERROR_REASON_DELIVERY_NOT_FOUND: StatusCode.NOT_FOUND,
    ErrorReason.ERROR_REASON_NOTIFICATION_NOT_FOUND: StatusCode.NOT_FOUND,
    ErrorReason.ERROR_REASON_CHANGE_NOT_FOUND: StatusCode.NOT_FOUND,
    ErrorReason.ERROR_REASON_IMPORT_NOT_FOUND: StatusCode.NOT_FOUND,
    ErrorReason.ERROR_REASON_RECORD_NOT_FOUND: StatusCode.NOT_FOUND,
    ErrorReason.ERROR_REASON_API_KEY_NOT_FOUND: StatusCode.NOT_FOUND,
    ErrorReason.ERROR_REASON_APP_NOT_FOUND: StatusCode.NOT_FOUND,
    ErrorReason.ERROR_REASON_DISTRICT_EXISTS: StatusCode.ALREADY_EXISTS,
    ErrorReason.ERROR_REASON_CHANGE_KEY_REUSED: StatusCode.ALREADY_EXISTS,
    ErrorReason.ERROR_REASON_IMPORT_ID_REUSED: StatusCode.ALREADY_EXISTS,
    ErrorReason.ERROR_REASON_ETAG_MISMATCH: StatusCode.ABORTED,
    ErrorReason.ERROR_REASON_IMPORT_IN_PROGRESS: StatusCode.ABORTED,
    ErrorReason.ERROR_REASON_RESUME_TOKEN_INVALID: StatusCode.INVALID_ARGUMENT,
    ErrorReason.ERROR_REASON_RESUME_TOKEN_FOREIGN: StatusCode.INVALID_ARGUMENT,
    ErrorReason.ERROR_REASON_RESUME_TOKEN_EXPIRED: StatusCode.OUT_OF_RANGE,
    ErrorReason.ERROR_REASON_PAGE_TOKEN_INVALID: StatusCode.INVALID_ARGUMENT,
    ErrorReason.ERROR_REASON_IMPORT_COUNT_MISMATCH: StatusCode.INVALID_ARGUMENT,
    ErrorReason.ERROR_REASON_IMPORT_INCOMPLETE: StatusCode.INVALID_ARGUMENT,
    ErrorReason.ERROR_REASON_IMPORT_RECORDS_REFUSED: StatusCode.FAILED_PRECONDITION,
    ErrorReason.ERROR_REASON_IMPORT_GUARD_EXCEEDED: StatusCode.FAILED_PRECONDITION,
    ErrorReason.ERROR_REASON_REQUEST_ID_REUSED: StatusCode.ALREADY_EXISTS,
    ErrorReason.ERROR_REASON_LAST_ACCESS: StatusCode.FAILED_PRECONDITION,
    ErrorReason.ERROR_REASON_DEVICE_RETIRED: StatusCode.FAILED_PRECONDITION,
    ErrorReason.ERROR_REASON_CURRENCY_IN_USE: StatusCode.FAILED_PRECONDITION,
    ErrorReason.ERROR_REASON_KIND_NOT_LICENSED: StatusCode.FAILED_PRECONDITION,
    ErrorReason.ERROR_REASON_BACKLOG_FULL: StatusCode.RESOURCE_EXHAUSTED,
    ErrorReason.ERROR_REASON_TOO_MANY_CALLS: StatusCode.RESOURCE_EXHAUSTED,
    ErrorReason.ERROR_REASON_STORAGE_UNAVAILABLE: StatusCode.UNAVAILABLE,
    ErrorReason.ERROR_REASON_DRAINING: StatusCode.UNAVAILABLE,
    ErrorReason.ERROR_REASON_DEADLINE_EXCEEDED: StatusCode.DEADLINE_EXCEEDED,
    ErrorReason.ERROR_REASON_NOT_IMPLEMENTED: StatusCode.UNIMPLEMENTED,
    ErrorReason.ERROR_REASON_INTERNAL: StatusCode.INTERNAL,
}


def short_name(reason: ErrorReason.ValueType) -> str:
    """Return a reason as it is on the wire and in the log, such as `CHANGE_KEY_REUSED`."""
    return ErrorReason.Name(reason).removeprefix("ERROR_REASON_")


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A field of the request, and which rule it breaks."""

    field: str
    """Its path, such as `changes[3].assignment.score_percent`."""
    description: str
    """The rest of the sentence after the path, without its full stop, such as `is required`."""
    reason: FieldReason


class SchoolbellError(Exception):
    """A call, or a part of one, is refused for a reason of the contract."""

    def __init__(
        self,
        reason: ErrorReason.ValueType,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_after: dt.timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after = retry_after

    @property
    def code(self) -> StatusCode:
        """The status code that the reason stands for."""
        return CODES[self.reason]


class InvalidFields(SchoolbellError):
    """Fields of the request break their rules."""

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        first = violations[0]
        more = f", and {len(violations) - 1} more" if len(violations) > 1 else ""
        super().__init__(
            ErrorReason.ERROR_REASON_INVALID_FIELD,
            f"{first.field} {first.description}{more}",
            metadata={"total": str(len(violations))},
            violations=violations,
        )
