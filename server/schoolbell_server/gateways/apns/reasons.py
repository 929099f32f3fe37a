"""Apple's reasons and what each is to us. The status alone never decides.

Source: Apple, "Handling notification responses from APNs"; both spellings of the wrong
environment are seen in the field.
"""

from __future__ import annotations

from schoolbell_server.domain.kinds import Outcome

OUTCOMES: dict[str, Outcome] = {
    "BadDeviceToken": Outcome.TOKEN_DEAD,  # or of the other environment: see `mass_death`
    "DeviceTokenNotForTopic": Outcome.TOKEN_OF_ANOTHER_APP,
    "Unregistered": Outcome.TOKEN_DEAD,
    "ExpiredToken": Outcome.TOKEN_DEAD,
    "TopicDisallowed": Outcome.CREDENTIAL_BAD,
    "BadTopic": Outcome.CREDENTIAL_BAD,
    "MissingTopic": Outcome.CREDENTIAL_BAD,
    "BadCollapseId": Outcome.PAYLOAD_BAD,
    "BadExpirationDate": Outcome.PAYLOAD_BAD,
    "BadMessageId": Outcome.PAYLOAD_BAD,
    "BadPriority": Outcome.PAYLOAD_BAD,
    "InvalidPushType": Outcome.PAYLOAD_BAD,
    "DuplicateHeaders": Outcome.PAYLOAD_BAD,
    "MissingDeviceToken": Outcome.PAYLOAD_BAD,
    "PayloadEmpty": Outcome.PAYLOAD_BAD,
    "PayloadTooLarge": Outcome.PAYLOAD_BAD,
    "BadPath": Outcome.PAYLOAD_BAD,
    "MethodNotAllowed": Outcome.PAYLOAD_BAD,
    "IdleTimeout": Outcome.PROVIDER_DOWN,
    "ExpiredProviderToken": Outcome.CREDENTIAL_BAD,
    "InvalidProviderToken": Outcome.CREDENTIAL_BAD,
    "MissingProviderToken": Outcome.CREDENTIAL_BAD,
    "UnrelatedKeyIdInToken": Outcome.CREDENTIAL_BAD,
    "BadEnvironmentKeyIdInToken": Outcome.CREDENTIAL_BAD,
    "BadEnvironmentKeyInToken": Outcome.CREDENTIAL_BAD,
    "BadCertificate": Outcome.CREDENTIAL_BAD,
    "BadCertificateEnvironment": Outcome.CREDENTIAL_BAD,
    "Forbidden": Outcome.CREDENTIAL_BAD,
    "TooManyRequests": Outcome.THROTTLED_DEVICE,
    "TooManyProviderTokenUpdates": Outcome.THROTTLED_PROJECT,
    "InternalServerError": Outcome.PROVIDER_DOWN,
    "ServiceUnavailable": Outcome.PROVIDER_DOWN,
    "Shutdown": Outcome.PROVIDER_DOWN,
}


RETIRING_STATUSES = frozenset({400, 410})
"""The statuses with which Apple says that a token is dead."""

WORN_OUT = frozenset(
    {"ExpiredProviderToken", "TooManyProviderTokenUpdates", "IdleTimeout", "Shutdown"}
)
"""Reasons after which the connection answers nothing else: the next push needs a new one."""


def outcome_of(status: int, reason: str) -> Outcome:
    """Return what an answer means.

    What is not Apple's own word (a proxy's page, no body, a reason that we do not know) is the
    provider being down: it is tried again within the budget, and no token dies of it.
    """
    if status == 200:
        return Outcome.ACCEPTED
    outcome = OUTCOMES.get(reason, Outcome.PROVIDER_DOWN)
    if outcome is Outcome.TOKEN_DEAD and status not in RETIRING_STATUSES:
        return Outcome.PROVIDER_DOWN
    return outcome
