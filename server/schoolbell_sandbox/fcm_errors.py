"""FCM's error answers, as Google's front end writes them."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from schoolbell_sandbox.exchange import Reply

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
APNS_ERROR = "type.googleapis.com/google.firebase.fcm.v1.ApnsError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
QUOTA_FAILURE = "type.googleapis.com/google.rpc.QuotaFailure"

_METHOD = {
    "service": "fcm.googleapis.com",
    "method": "google.firebase.fcm.v1.FcmService.SendMessage",
}
_HEADERS = ((b"content-type", b"application/json; charset=UTF-8"),)

CODES: dict[str, tuple[int, str, str]] = {
    "INVALID_ARGUMENT": (
        400,
        "INVALID_ARGUMENT",
        "The registration token is not a valid FCM registration token",
    ),
    "UNREGISTERED": (404, "NOT_FOUND", "Requested entity was not found."),
    "SENDER_ID_MISMATCH": (403, "PERMISSION_DENIED", "SenderId mismatch"),
    "THIRD_PARTY_AUTH_ERROR": (
        401,
        "UNAUTHENTICATED",
        "Auth error from APNS or Web Push Service",
    ),
    "QUOTA_EXCEEDED": (429, "RESOURCE_EXHAUSTED", "Quota exceeded."),
    "INTERNAL": (500, "INTERNAL", "Internal error encountered."),
    "UNAVAILABLE": (503, "UNAVAILABLE", "The service is currently unavailable."),
    "UNSPECIFIED_ERROR": (500, "UNKNOWN", "Unknown error."),
}
"""FcmError's codes with their HTTP status, `google.rpc.Code` and message."""

ERROR_INFOS: dict[str, tuple[int, str, str]] = {
    "CREDENTIALS_MISSING": (
        401,
        "UNAUTHENTICATED",
        "Request is missing required authentication credential.",
    ),
    "ACCESS_TOKEN_EXPIRED": (
        401,
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials.",
    ),
    "ACCESS_TOKEN_TYPE_UNSUPPORTED": (
        401,
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials.",
    ),
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": (
        403,
        "PERMISSION_DENIED",
        "Request had insufficient authentication scopes.",
    ),
    "IAM_PERMISSION_DENIED": (
        403,
        "PERMISSION_DENIED",
        "Permission 'cloudmessaging.messages.create' denied on resource (or it may not exist).",
    ),
    "SERVICE_DISABLED": (
        403,
        "PERMISSION_DENIED",
        "Firebase Cloud Messaging API has not been used in this project or it is disabled.",
    ),
}
"""ErrorInfo's reasons with their HTTP status, `google.rpc.Code` and message."""

_RPC_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class FcmRefusal(Exception):
    """A refusal on its way to the client; `reason` is what the ledger counts."""

    def __init__(self, reason: str, reply: Reply) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reply = reply


def fcm_error(
    code: str, message: str = "", *, retry_after: int | None = None, subject: str = ""
) -> FcmRefusal:
    """Return the refusal of an FcmError code; `subject` is whose quota is exceeded."""
    status, rpc, usual = CODES[code]
    details: list[dict[str, Any]] = [{"@type": FCM_ERROR, "errorCode": code}]
    if code == "THIRD_PARTY_AUTH_ERROR":
        apns = {"@type": APNS_ERROR, "statusCode": 403, "reason": "InvalidProviderToken"}
        details.append(apns)
    if code == "QUOTA_EXCEEDED":
        violation = {"subject": subject or "sandbox", "description": message or usual}
        details.append({"@type": QUOTA_FAILURE, "violations": [violation]})
    reply = error_reply(status, rpc, message or usual, details, retry_after)
    return FcmRefusal(code, reply)


def error_info(reason: str) -> FcmRefusal:
    """Return the refusal of an ErrorInfo reason."""
    status, rpc, message = ERROR_INFOS[reason]
    detail = {
        "@type": ERROR_INFO,
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": _METHOD,
    }
    return FcmRefusal(reason, error_reply(status, rpc, message, [detail]))


def bad_request(field: str, description: str, *, fcm_code: bool = False) -> FcmRefusal:
    """Return the refusal of a message that is wrong at a field."""
    violation = {"field": field, "description": description}
    details: list[dict[str, Any]] = [{"@type": BAD_REQUEST, "fieldViolations": [violation]}]
    if fcm_code:
        details.append({"@type": FCM_ERROR, "errorCode": "INVALID_ARGUMENT"})
    reply = error_reply(400, "INVALID_ARGUMENT", description, details)
    return FcmRefusal("BadRequest", reply)


def not_found() -> FcmRefusal:
    """Return the refusal of a wrong path or project: without FcmError, so no token is at fault."""
    message = "Requested entity was not found."
    return FcmRefusal("NotFound", error_reply(404, "NOT_FOUND", message, []))


def apns_unregistered() -> FcmRefusal:
    """Return the refusal of an iOS token that Apple has retired."""
    details: list[dict[str, Any]] = [
        {"@type": FCM_ERROR, "errorCode": "UNREGISTERED"},
        {"@type": APNS_ERROR, "statusCode": 410, "reason": "Unregistered"},
    ]
    message = "Requested entity was not found."
    return FcmRefusal("UNREGISTERED", error_reply(404, "NOT_FOUND", message, details))


def scripted(status: int, reason: str) -> Reply:
    """Return the answer a fault prescribes, by the reason's own shape or by status alone."""
    if reason in CODES:
        _, rpc, message = CODES[reason]
        details: list[dict[str, Any]] = [{"@type": FCM_ERROR, "errorCode": reason}]
        return error_reply(status, rpc, message, details)
    if reason in ERROR_INFOS:
        return error_info(reason).reply
    return error_reply(status, _RPC_CODES.get(status, "UNKNOWN"), HTTPStatus(status).phrase, [])


def error_reply(
    status: int,
    rpc: str,
    message: str,
    details: list[dict[str, Any]],
    retry_after: int | None = None,
) -> Reply:
    """Return an error answer, pretty-printed as Google does."""
    error: dict[str, Any] = {"code": status, "message": message, "status": rpc}
    if details:
        error["details"] = details
    headers = _HEADERS
    if retry_after is not None:
        headers = (*_HEADERS, (b"retry-after", b"%d" % retry_after))  # type: ignore[assignment]
    body = json.dumps({"error": error}, indent=2).encode() + b"\n"
    return Reply(status=status, headers=headers, body=body)
