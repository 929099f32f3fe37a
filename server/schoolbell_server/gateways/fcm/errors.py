"""Google's errors and what each is to us. The status alone never decides.

The order is FCM's own error code, then what the platform says (`ErrorInfo`, `BadRequest`), then
the canonical status; a body that is not Google's is the provider being down, and never kills a
token. Source: the FCM v1 reference of error codes.

What one message can bring about is no trouble of the project, which many districts may share: a
quota is the device's unless Google names the project, and where Google cannot reach Apple or a
browser's push service for a token, that token is of no Android app.
"""

from __future__ import annotations

from dataclasses import dataclass

from schoolbell_server.domain.kinds import Outcome
from schoolbell_server.gateways.common.foreign_json import ForeignObject, object_or_empty
from schoolbell_server.gateways.common.wording import LONGEST_ID, word

FCM_CODES: dict[str, Outcome] = {
    "UNREGISTERED": Outcome.TOKEN_DEAD,
    "SENDER_ID_MISMATCH": Outcome.TOKEN_OF_ANOTHER_APP,
    # Without a field violation it is the address: the payload was checked before it left.
    "INVALID_ARGUMENT": Outcome.TOKEN_DEAD,
    "QUOTA_EXCEEDED": Outcome.THROTTLED_DEVICE,  # "for the message target"; see `_scope`
    "UNAVAILABLE": Outcome.PROVIDER_DOWN,
    "INTERNAL": Outcome.PROVIDER_DOWN,
    "UNSPECIFIED_ERROR": Outcome.PROVIDER_DOWN,
    # Credentials for iPhones and browsers that the project lacks: Android's deliveries need none.
    "THIRD_PARTY_AUTH_ERROR": Outcome.TOKEN_OF_ANOTHER_APP,
    "APNS_AUTH_ERROR": Outcome.TOKEN_OF_ANOTHER_APP,
}
STATUSES: dict[str, Outcome] = {
    "INVALID_ARGUMENT": Outcome.PAYLOAD_BAD,
    "NOT_FOUND": Outcome.CREDENTIAL_BAD,  # the project or the URL is wrong: nobody's token is
    "PERMISSION_DENIED": Outcome.CREDENTIAL_BAD,
    "UNAUTHENTICATED": Outcome.CREDENTIAL_BAD,
    "RESOURCE_EXHAUSTED": Outcome.THROTTLED_PROJECT,
    "INTERNAL": Outcome.PROVIDER_DOWN,
    "UNAVAILABLE": Outcome.PROVIDER_DOWN,
}
_STALE = frozenset(
    {
        "ACCESS_TOKEN_EXPIRED",
        "ACCESS_TOKEN_TYPE_UNSUPPORTED",
        "CREDENTIALS_MISSING",
        "UNAUTHENTICATED",
    }
)
_FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_APNS_ERROR = "type.googleapis.com/google.firebase.fcm.v1.ApnsError"
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
_QUOTA_FAILURE = "type.googleapis.com/google.rpc.QuotaFailure"
_QUOTA = "QUOTA_EXCEEDED"
_PROJECT_RATES = frozenset({"RATE_LIMIT_EXCEEDED", "RESOURCE_QUOTA_EXCEEDED"})
"""Reasons of Google's front end, whose quotas are a project's."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an answer means, and Google's own word for it."""

    outcome: Outcome
    reason: str
    message_id: str = ""
    timed_out: bool = False
    """There was no answer in all the time that it had."""
    unscoped: bool = False
    """A quota of which Google does not say whether it is the device's or the project's."""

    @property
    def access_token_refused(self) -> bool:
        """Return whether another access token may help."""
        return self.reason in _STALE


def meaning_of(status: int, body: bytes) -> Meaning:
    """Return what an answer means."""
    document = object_or_empty(body)
    if status == 200 and (name := document.text("name")):
        return Meaning(Outcome.ACCEPTED, "", word(name, LONGEST_ID))
    error = document.inner("error")
    if error is None:
        return Meaning(Outcome.PROVIDER_DOWN, f"HTTP {status}")
    return _judge(status, word(error.text("status")), error.objects("details"))


def _judge(status: int, canonical: str, details: list[ForeignObject]) -> Meaning:
    apns = _first(details, _APNS_ERROR, "reason")
    code = _first(details, _FCM_ERROR, "errorCode")
    if apns == "Unregistered":
        return Meaning(Outcome.TOKEN_DEAD, apns)
    if code == "INVALID_ARGUMENT" and _named(details, _BAD_REQUEST):
        return Meaning(Outcome.PAYLOAD_BAD, code)
    if code == _QUOTA:
        return _scope(details)
    if code in FCM_CODES:
        return Meaning(FCM_CODES[code], apns or code)
    reason = _first(details, _ERROR_INFO, "reason") or canonical or f"HTTP {status}"
    return Meaning(STATUSES.get(canonical, Outcome.PROVIDER_DOWN), reason)


def _scope(details: list[ForeignObject]) -> Meaning:
    """Return whose quota it is, as far as Google says."""
    violations = [
        violation
        for one in details
        if one.text("@type") == _QUOTA_FAILURE
        for violation in one.objects("violations")
    ]
    said = " ".join(
        f"{violation.text('subject')} {violation.text('description')}" for violation in violations
    ).lower()
    if "device" in said or "token" in said:
        return Meaning(Outcome.THROTTLED_DEVICE, _QUOTA)
    front = _first(details, _ERROR_INFO, "reason") in _PROJECT_RATES
    if front or "project" in said:
        return Meaning(Outcome.THROTTLED_PROJECT, _QUOTA)
    return Meaning(Outcome.THROTTLED_DEVICE, _QUOTA, unscoped=True)


def _first(details: list[ForeignObject], kind: str, field: str) -> str:
    return next((word(one.text(field)) for one in details if one.text("@type") == kind), "")


def _named(details: list[ForeignObject], kind: str) -> bool:
    return any(one.text("@type") == kind for one in details)
