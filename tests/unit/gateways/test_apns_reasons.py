"""Every answer of Apple, one row each."""

from __future__ import annotations

import pytest

from schoolbell_server.domain.kinds import Outcome
from schoolbell_server.gateways.apns.reasons import OUTCOMES, outcome_of

ROWS = [
    (200, "", Outcome.ACCEPTED),
    (400, "BadDeviceToken", Outcome.TOKEN_DEAD),
    (400, "DeviceTokenNotForTopic", Outcome.TOKEN_OF_ANOTHER_APP),
    (400, "TopicDisallowed", Outcome.CREDENTIAL_BAD),
    (400, "BadTopic", Outcome.CREDENTIAL_BAD),
    (400, "MissingTopic", Outcome.CREDENTIAL_BAD),
    (400, "BadCollapseId", Outcome.PAYLOAD_BAD),
    (400, "BadExpirationDate", Outcome.PAYLOAD_BAD),
    (400, "BadMessageId", Outcome.PAYLOAD_BAD),
    (400, "BadPriority", Outcome.PAYLOAD_BAD),
    (400, "InvalidPushType", Outcome.PAYLOAD_BAD),
    (400, "DuplicateHeaders", Outcome.PAYLOAD_BAD),
    (400, "MissingDeviceToken", Outcome.PAYLOAD_BAD),
    (400, "PayloadEmpty", Outcome.PAYLOAD_BAD),
    (400, "IdleTimeout", Outcome.PROVIDER_DOWN),
    (403, "ExpiredProviderToken", Outcome.CREDENTIAL_BAD),
    (403, "InvalidProviderToken", Outcome.CREDENTIAL_BAD),
    (403, "MissingProviderToken", Outcome.CREDENTIAL_BAD),
    (403, "UnrelatedKeyIdInToken", Outcome.CREDENTIAL_BAD),
    (403, "BadEnvironmentKeyIdInToken", Outcome.CREDENTIAL_BAD),
    (403, "BadEnvironmentKeyInToken", Outcome.CREDENTIAL_BAD),
    (403, "BadCertificate", Outcome.CREDENTIAL_BAD),
    (403, "BadCertificateEnvironment", Outcome.CREDENTIAL_BAD),
    (403, "Forbidden", Outcome.CREDENTIAL_BAD),
    (404, "BadPath", Outcome.PAYLOAD_BAD),
    (405, "MethodNotAllowed", Outcome.PAYLOAD_BAD),
    (410, "Unregistered", Outcome.TOKEN_DEAD),
    (410, "ExpiredToken", Outcome.TOKEN_DEAD),
    (413, "PayloadTooLarge", Outcome.PAYLOAD_BAD),
    (429, "TooManyRequests", Outcome.THROTTLED_DEVICE),
    (429, "TooManyProviderTokenUpdates", Outcome.THROTTLED_PROJECT),
    (500, "InternalServerError", Outcome.PROVIDER_DOWN),
    (503, "ServiceUnavailable", Outcome.PROVIDER_DOWN),
    (503, "Shutdown", Outcome.PROVIDER_DOWN),
]


@pytest.mark.parametrize(("status", "reason", "outcome"), ROWS)
def test_a_reason_has_its_outcome(status: int, reason: str, outcome: Outcome) -> None:
    assert outcome_of(status, reason) is outcome


def test_no_reason_is_left_out() -> None:
    assert {reason for _, reason, _ in ROWS if reason} == set(OUTCOMES)


@pytest.mark.parametrize("status", [301, 400, 403, 404, 410, 429, 500, 502, 503])
@pytest.mark.parametrize("reason", ["", "SomethingNew"])
def test_what_is_not_apples_own_word_kills_no_token(status: int, reason: str) -> None:
    assert outcome_of(status, reason) is Outcome.PROVIDER_DOWN


@pytest.mark.parametrize("reason", ["Unregistered", "ExpiredToken", "BadDeviceToken"])
def test_a_token_dies_only_with_the_status_of_its_death(reason: str) -> None:
    assert outcome_of(503, reason) is Outcome.PROVIDER_DOWN
