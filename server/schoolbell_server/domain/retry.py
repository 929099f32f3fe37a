"""When to try again: exponential with full jitter, never sooner than the provider wants."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from schoolbell_server.domain.kinds import Outcome, Provider

_FLOORS = {
    # Google: never sooner than 10 s after a server error, a minute after a quota error.
    (Provider.FCM, Outcome.PROVIDER_DOWN): dt.timedelta(seconds=10),
    (Provider.FCM, Outcome.THROTTLED_DEVICE): dt.timedelta(seconds=60),
    (Provider.FCM, Outcome.THROTTLED_PROJECT): dt.timedelta(seconds=60),
    (Provider.APNS, Outcome.THROTTLED_DEVICE): dt.timedelta(seconds=60),
    (Provider.APNS, Outcome.THROTTLED_PROJECT): dt.timedelta(seconds=60),
}
APPLE_PAUSE = dt.timedelta(minutes=15)
"""Apple's own wish after an internal server error."""
_INTERNAL_ERROR = "InternalServerError"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The operator's bounds."""

    first: dt.timedelta = dt.timedelta(seconds=1)
    longest: dt.timedelta = dt.timedelta(minutes=15)
    """Bounds every wait but the provider's own Retry-After."""
    longest_retry_after: dt.timedelta = dt.timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What made another attempt necessary."""

    provider: Provider
    outcome: Outcome
    reason: str
    attempts: int
    """How many attempts there have been, this one included."""
    retry_after: dt.timedelta | None = None


def pause(trouble: Trouble, policy: RetryPolicy, chance: float) -> dt.timedelta:
    """Return how long to wait; `chance` is a random number from 0 up to, not including, 1."""
    bound = min(policy.longest, policy.first * (1 << min(trouble.attempts - 1, 30)))
    jittered = policy.first + (bound - policy.first) * chance
    wait = min(policy.longest, max(jittered, _floor(trouble)))
    if trouble.retry_after is None:
        return wait
    return max(wait, min(trouble.retry_after, policy.longest_retry_after))


def _floor(trouble: Trouble) -> dt.timedelta:
    if trouble.provider is Provider.APNS and trouble.reason == _INTERNAL_ERROR:
        return APPLE_PAUSE
    return _FLOORS.get((trouble.provider, trouble.outcome), dt.timedelta(0))
