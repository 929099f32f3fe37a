"""What a refused call means to the person at the console."""

from __future__ import annotations

from http import HTTPStatus

from schoolbell import SchoolbellError
from schoolbell.errors import (
    Aborted,
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)

_STATUS: dict[type[SchoolbellError], HTTPStatus] = {
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    PermissionDenied: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    InvalidArgument: HTTPStatus.BAD_REQUEST,
    Aborted: HTTPStatus.CONFLICT,
    ResourceExhausted: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
}
_NAMES: dict[type[SchoolbellError], str] = {
    PermissionDenied: "forbidden",
    NotFound: "not-found",
    InvalidArgument: "bad-request",
    Aborted: "changed",
    ResourceExhausted: "busy",
    Unavailable: "away",
    DeadlineExceeded: "slow",
}


def status_of(error: SchoolbellError) -> HTTPStatus:
    """Return the HTTP status of a refused call."""
    return next(
        (status for kind, status in _STATUS.items() if isinstance(error, kind)),
        HTTPStatus.BAD_GATEWAY,
    )


def trouble_of(error: SchoolbellError) -> tuple[str, dict[str, str]]:
    """Return the name of the text that says what happened, and its values."""
    values = {
        "tool": error.metadata.get("tool", "").lower().replace("_", "-"),
        "request": error.metadata.get("request_id", ""),
    }
    if error.reason == "LAST_ACCESS":
        return "last-access", values
    if error.reason == "DEVICE_RETIRED":
        return "device-retired", values
    name = next((name for kind, name in _NAMES.items() if isinstance(error, kind)), "fault")
    return name, values
