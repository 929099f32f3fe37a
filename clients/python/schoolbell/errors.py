"""What a call raises: one class a code, each with the service's own reason.

SchoolbellError
├── InvalidArgument      correct the request; `fields` names what is wrong
├── Unauthenticated      show a valid key
├── PermissionDenied     another role, right, source or district is needed
├── NotFound
├── AlreadyExists
├── Aborted              it changed since it was read: read it again
├── FailedPrecondition
├── OutOfRange           a resume token is too old: list, then watch from there
├── ResourceExhausted    come back after `retry_after`
├── DeadlineExceeded     nothing is known of the outcome
├── Unavailable          nothing is known of the outcome; safe calls were already tried again
│   └── Unreachable      and never will be: the target or the certificate is wrong
├── Unimplemented
└── ServiceFault         a fault of the service; quote the request id
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

_PREFIX = "ERROR_REASON_"
_FIELD_PREFIX = f"FIELD_{_PREFIX}"
_Detail = TypeVar("_Detail", ErrorInfo, BadRequest, RetryInfo)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One bad field."""

    path: str
    """Where it is in the request, such as `students[2].student_id`."""
    text: str
    """What is wrong with it: a sentence that begins with the path."""
    reason: str
    """The rule that it breaks, such as `TOO_LONG`; empty where the server does not say."""


class SchoolbellError(Exception):
    """A call was refused, or failed."""

    def __init__(self, status: Status) -> None:
        self.status = status
        info = _detail(status.details, ErrorInfo())
        self.reason = info.reason.removeprefix(_PREFIX)
        """The service's reason, such as `ETAG_MISMATCH`; empty where the transport failed."""
        self.metadata: Mapping[str, str] = dict(info.metadata)
        self.fields: Sequence[FieldError] = [
            FieldError(
                violation.field,
                violation.description,
                violation.reason.removeprefix(_FIELD_PREFIX),
            )
            for violation in _detail(status.details, BadRequest()).field_violations
        ]
        wait = _detail(status.details, RetryInfo()).retry_delay
        self.retry_after: dt.timedelta | None = wait.ToTimedelta() or None
        super().__init__(self._text())

    @property
    def code(self) -> grpc.StatusCode:
        """Return gRPC's code."""
        return _CODES.get(self.status.code, grpc.StatusCode.UNKNOWN)

    def _text(self) -> str:
        reason = "" if self.reason == self.code.name else self.reason
        named = f"{self.code.name} {reason}".strip()
        if not self.fields:
            return f"{named}: {self.status.message}"
        total = self.metadata.get("total", "")
        more = int(total) - len(self.fields) if total.isdecimal() else 0
        told = " ".join(field.text for field in self.fields)
        return f"{named}: {told}" + (f" And {more} more." if more > 0 else "")


class InvalidArgument(SchoolbellError):
    """The request breaks a rule; `fields` names which."""


class Unauthenticated(SchoolbellError):
    """The key is missing, unknown, expired or revoked."""


class PermissionDenied(SchoolbellError):
    """The key may not do this here."""


class NotFound(SchoolbellError):
    """There is no such thing, or not for this caller."""


class AlreadyExists(SchoolbellError):
    """It exists with other content."""


class Aborted(SchoolbellError):
    """It changed since it was read."""


class FailedPrecondition(SchoolbellError):
    """Not in the present state."""


class OutOfRange(SchoolbellError):
    """A position is too old."""


class ResourceExhausted(SchoolbellError):
    """Too much at once: come back after `retry_after`."""


class DeadlineExceeded(SchoolbellError):
    """The deadline passed; nothing is known of the outcome."""


class Unavailable(SchoolbellError):
    """The service cannot be reached; nothing is known of the outcome."""


class Unreachable(Unavailable):
    """The service can never be reached this way: correct the target, the authority or TLS."""


class Unimplemented(SchoolbellError):
    """The service does not do that yet."""


class ServiceFault(SchoolbellError):
    """A fault of the service, or a code that this client does not know."""


_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
_CLASSES: dict[grpc.StatusCode, type[SchoolbellError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.ABORTED: Aborted,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.OUT_OF_RANGE: OutOfRange,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.UNIMPLEMENTED: Unimplemented,
}


def from_status(status: Status) -> SchoolbellError:
    """Return the error that a status is, such as that of a refused change in a batch."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    return _CLASSES.get(code, ServiceFault)(status)


def from_rpc_error(error: grpc.RpcError) -> SchoolbellError:
    """Return the typed error of a failed call."""
    try:
        status = rpc_status.from_call(cast(grpc.Call, error))
    except ValueError:
        status = None
    return from_status(status or _of_transport(error.code(), error.details() or ""))


def unreachable(mistake: str) -> Unreachable:
    """Return the error of a connection that can never work."""
    return Unreachable(Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message=mistake))


def service_fault(text: str) -> SchoolbellError:
    """Return the error of an answer that the contract does not allow."""
    return from_status(Status(code=grpc.StatusCode.INTERNAL.value[0], message=text))


def _of_transport(code: grpc.StatusCode, text: str) -> Status:
    """Return the status of a call that the service did not answer.

    Its own INTERNAL names a reason; gRPC's, and its UNKNOWN, are connections that broke.
    """
    if code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
        code = grpc.StatusCode.UNAVAILABLE
    return Status(code=code.value[0], message=text)


def _detail(details: Sequence[Any], empty: _Detail) -> _Detail:
    for detail in details:
        if detail.Unpack(empty):
            break
    return empty
