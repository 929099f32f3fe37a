"""How Apple behaves where it can be chosen."""

from __future__ import annotations

from dataclasses import dataclass

from schoolbell_sandbox.quotas import Quota


@dataclass(frozen=True, slots=True, kw_only=True)
class ApnsSettings:
    """The choices, and what is likely where nothing is known."""

    environment: str = "sandbox"
    """`sandbox` or `production`; only the sandbox answers `apns-unique-id`."""
    trusting: bool = True
    """Register a well-formed unknown token at its first use, for the topic that used it."""
    bad_token_limit: int | None = 100
    """GOAWAY after so many `BadDeviceToken` on a connection within the window; None is never."""
    bad_token_window: float = 60.0
    """Seconds."""
    wedge_on_expired_token: bool = False
    """After `ExpiredProviderToken` a connection answers nothing else."""
    environment_reason: str = "BadEnvironmentKeyIdInToken"
    """Reports from the field also know `BadEnvironmentKeyInToken`."""
    token_quota: Quota | None = None
    """Per device token; over it is 429 `TooManyRequests`."""
