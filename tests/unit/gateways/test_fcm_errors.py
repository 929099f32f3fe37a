"""Every answer of Google, one row each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schoolbell_server.domain.kinds import Outcome
from schoolbell_server.gateways.fcm.errors import FCM_CODES, STATUSES, meaning_of


def fcm(code: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}


def apns(reason: str, status: int = 410) -> dict[str, Any]:
    kind = "type.googleapis.com/google.firebase.fcm.v1.ApnsError"
    return {"@type": kind, "statusCode": status, "reason": reason}


def info(reason: str) -> dict[str, Any]:
    kind = "type.googleapis.com/google.rpc.ErrorInfo"
    return {"@type": kind, "reason": reason, "domain": "googleapis.com"}


BAD_REQUEST = {
    "@type": "type.googleapis.com/google.rpc.BadRequest",
    "fieldViolations": [{"field": "message.data[0].value", "description": "Invalid value"}],
}


def quota(subject: str, description: str = "too many") -> dict[str, Any]:
    kind = "type.googleapis.com/google.rpc.QuotaFailure"
    return {"@type": kind, "violations": [{"subject": subject, "description": description}]}


QUOTA_CODE = "QUOTA_EXCEEDED"


ROWS: list[tuple[int, str, list[dict[str, Any]], Outcome, str]] = [
    (400, "INVALID_ARGUMENT", [fcm("INVALID_ARGUMENT")], Outcome.TOKEN_DEAD, "INVALID_ARGUMENT"),
    (400, "INVALID_ARGUMENT", [BAD_REQUEST], Outcome.PAYLOAD_BAD, "INVALID_ARGUMENT"),
    (
        400,
        "INVALID_ARGUMENT",
        [BAD_REQUEST, fcm("INVALID_ARGUMENT")],
        Outcome.PAYLOAD_BAD,
        "INVALID_ARGUMENT",
    ),
    (
        400,
        "INVALID_ARGUMENT",
        [fcm("INVALID_ARGUMENT"), apns("Unregistered")],
        Outcome.TOKEN_DEAD,
        "Unregistered",
    ),
    (404, "NOT_FOUND", [fcm("UNREGISTERED")], Outcome.TOKEN_DEAD, "UNREGISTERED"),
    (
        404,
        "NOT_FOUND",
        [fcm("UNREGISTERED"), apns("Unregistered")],
        Outcome.TOKEN_DEAD,
        "Unregistered",
    ),
    (404, "NOT_FOUND", [], Outcome.CREDENTIAL_BAD, "NOT_FOUND"),
    (
        403,
        "PERMISSION_DENIED",
        [fcm("SENDER_ID_MISMATCH")],
        Outcome.TOKEN_OF_ANOTHER_APP,
        "SENDER_ID_MISMATCH",
    ),
    (
        403,
        "PERMISSION_DENIED",
        [info("IAM_PERMISSION_DENIED")],
        Outcome.CREDENTIAL_BAD,
        "IAM_PERMISSION_DENIED",
    ),
    (
        403,
        "PERMISSION_DENIED",
        [info("SERVICE_DISABLED")],
        Outcome.CREDENTIAL_BAD,
        "SERVICE_DISABLED",
    ),
    (
        401,
        "UNAUTHENTICATED",
        [info("ACCESS_TOKEN_EXPIRED")],
        Outcome.CREDENTIAL_BAD,
        "ACCESS_TOKEN_EXPIRED",
    ),
    (
        401,
        "UNAUTHENTICATED",
        [info("CREDENTIALS_MISSING")],
        Outcome.CREDENTIAL_BAD,
        "CREDENTIALS_MISSING",
    ),
    (
        401,
        "UNAUTHENTICATED",
        [info("ACCESS_TOKEN_TYPE_UNSUPPORTED")],
        Outcome.CREDENTIAL_BAD,
        "ACCESS_TOKEN_TYPE_UNSUPPORTED",
    ),
    (
        401,
        "UNAUTHENTICATED",
        [fcm("THIRD_PARTY_AUTH_ERROR"), apns("BadEnvironmentKeyInToken", 403)],
        Outcome.TOKEN_OF_ANOTHER_APP,
        "BadEnvironmentKeyInToken",
    ),
    (
        401,
        "UNAUTHENTICATED",
        [fcm("THIRD_PARTY_AUTH_ERROR")],
        Outcome.TOKEN_OF_ANOTHER_APP,
        "THIRD_PARTY_AUTH_ERROR",
    ),
    (
        401,
        "UNAUTHENTICATED",
        [fcm("APNS_AUTH_ERROR")],
        Outcome.TOKEN_OF_ANOTHER_APP,
        "APNS_AUTH_ERROR",
    ),
    *(
        (429, "RESOURCE_EXHAUSTED", [fcm(QUOTA_CODE), *details], outcome, QUOTA_CODE)
        for details, outcome in (
            ([quota("project:1")], Outcome.THROTTLED_PROJECT),
            ([quota("projects/1")], Outcome.THROTTLED_PROJECT),
            ([info("RATE_LIMIT_EXCEEDED")], Outcome.THROTTLED_PROJECT),
            ([quota("device:1")], Outcome.THROTTLED_DEVICE),
            ([quota("", "Device message rate exceeded.")], Outcome.THROTTLED_DEVICE),
            ([quota("device:1", "of project 1")], Outcome.THROTTLED_DEVICE),
            ([quota("device:1"), info("RATE_LIMIT_EXCEEDED")], Outcome.THROTTLED_DEVICE),
            ([quota("sandbox")], Outcome.THROTTLED_DEVICE),
            ([], Outcome.THROTTLED_DEVICE),
        )
    ),
    (429, "RESOURCE_EXHAUSTED", [], Outcome.THROTTLED_PROJECT, "RESOURCE_EXHAUSTED"),
    (500, "INTERNAL", [fcm("INTERNAL")], Outcome.PROVIDER_DOWN, "INTERNAL"),
    (500, "INTERNAL", [], Outcome.PROVIDER_DOWN, "INTERNAL"),
    (503, "UNAVAILABLE", [fcm("UNAVAILABLE")], Outcome.PROVIDER_DOWN, "UNAVAILABLE"),
    (503, "UNAVAILABLE", [], Outcome.PROVIDER_DOWN, "UNAVAILABLE"),
    (500, "UNKNOWN", [fcm("UNSPECIFIED_ERROR")], Outcome.PROVIDER_DOWN, "UNSPECIFIED_ERROR"),
    (418, "SOMETHING_NEW", [], Outcome.PROVIDER_DOWN, "SOMETHING_NEW"),
]


def body(status: int, canonical: str, details: list[dict[str, Any]]) -> bytes:
    error = {"code": status, "message": "text", "status": canonical, "details": details}
    return json.dumps({"error": error}, indent=2).encode()


@pytest.mark.parametrize(("status", "canonical", "details", "outcome", "reason"), ROWS)
def test_an_error_has_its_outcome(
    status: int, canonical: str, details: list[dict[str, Any]], outcome: Outcome, reason: str
) -> None:
    meaning = meaning_of(status, body(status, canonical, details))
    assert (meaning.outcome, meaning.reason) == (outcome, reason)


def test_no_code_and_no_status_is_left_out() -> None:
    codes = {one.get("errorCode") for _, _, details, _, _ in ROWS for one in details}
    assert set(FCM_CODES) <= codes
    assert set(STATUSES) <= {canonical for _, canonical, _, _, _ in ROWS}


def test_success_names_the_message() -> None:
    meaning = meaning_of(200, b'{\n  "name": "projects/p/messages/0:1"\n}\n')
    assert (meaning.outcome, meaning.message_id) == (Outcome.ACCEPTED, "projects/p/messages/0:1")


@pytest.mark.parametrize("status", [200, 301, 401, 403, 404, 410, 429, 500, 503])
@pytest.mark.parametrize(
    "foreign",
    [
        b"",
        b"<html>Not Found</html>",
        b"[]",
        b"null",
        b'{"error":"UNREGISTERED"}',
        b'{"reason":"Unregistered"}',
        b'{"error":{"details":"UNREGISTERED"}}',
        b'{"error":{"details":[{"errorCode":"UNREGISTERED"}]}}',
        b"\xff\xfe",
    ],
)
def test_a_foreign_body_kills_no_token(status: int, foreign: bytes) -> None:
    assert meaning_of(status, foreign).outcome is Outcome.PROVIDER_DOWN


@pytest.mark.parametrize(
    ("details", "refused"),
    [
        ([info("ACCESS_TOKEN_EXPIRED")], True),
        ([info("CREDENTIALS_MISSING")], True),
        ([], True),
        ([fcm("THIRD_PARTY_AUTH_ERROR")], False),
        ([fcm("THIRD_PARTY_AUTH_ERROR"), apns("InvalidProviderToken", 403)], False),
    ],
)
def test_a_new_access_token_is_asked_for_only_where_it_can_help(
    details: list[dict[str, Any]], refused: bool
) -> None:
    meaning = meaning_of(401, body(401, "UNAUTHENTICATED", details))
    assert meaning.access_token_refused is refused


def test_a_proxys_401_asks_for_no_new_access_token() -> None:
    assert not meaning_of(401, b"<html>log in</html>").access_token_refused
