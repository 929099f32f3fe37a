"""When to try again: never sooner than the provider wants, then exponential with full jitter.

The jitter comes on top of what the provider wants: those that failed together do not come back
together.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from schoolbell_server.domain.kinds import Outcome, Provider

_FLOORS = {
    # Google: never sooner than 10 s, after a quota error a minute.
    (Provider.FCM, Outcome.PROVIDER_DOWN): dt.timedelta(seconds=10),
    (Provider.FCM, Outcome.ANSWER_LOST): dt.timedelta(seconds=10),
    (Provider.FCM, Outcome.THROTTLED_DEVICE): dt.timedelta(seconds=60),
    (Provider.FCM, Outcome.THROTTLED_PROJECT): dt.timedelta(seconds=60),
    (Provider.APNS, Outcome.THROTTLED_DEVICE): dt.timedelta(seconds=60),
    (Provider.APNS, Outcome.THROTTLED_PROJECT): dt.timedelta(seconds=60),
}
APPLE_PAUSE = dt.timedelta(minutes=15)
"""Apple's own wish after an internal server error."""
_INTERNAL_ERROR = "InternalServerError"
_MOST_DOUBLINGS = 20  # by then every wait is at its bound


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The operator's bounds."""

    first: dt.timedelta = dt.timedelta(seconds=1)
    longest: dt.timedelta = dt.timedelta(minutes=15)
    """Bounds the jitter, which comes on top of what the provider wants."""
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
    wanted = _wanted(trouble)
    if trouble.retry_after is not None:
        wanted = max(wanted, min(trouble.retry_after, policy.longest_retry_after))
    step = max(policy.first, wanted)
    spread = min(policy.longest, step * (1 << min(trouble.attempts - 1, _MOST_DOUBLINGS)))
    return wanted + spread * chance


def _wanted(trouble: Trouble) -> dt.timedelta:
    """Return the provider's own least pause."""
    if trouble.provider is Provider.APNS and trouble.reason == _INTERNAL_ERROR:
        return APPLE_PAUSE
    return _FLOORS.get((trouble.provider, trouble.outcome), dt.timedelta(0))
