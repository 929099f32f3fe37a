"""What a connection to APNs is trusted with: its provider token, and what the first one bound."""

from __future__ import annotations

from collections import deque

from schoolbell_sandbox.apns_settings import ApnsSettings
from schoolbell_sandbox.provider_token import ApnsKey, ProviderTokens

TOKEN_LIFE = 3600.0
"""Seconds an `iat` may be away from now."""
TOKEN_UPDATE_SECONDS = 1200.0
"""A connection takes a new token string no more often."""

Fault = tuple[int, str]


class ConnectionTrust:
    """Judges the provider token of each request on one connection."""

    def __init__(
        self, settings: ApnsSettings, tokens: ProviderTokens, topics: tuple[str, ...]
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._topics = topics
        self._bound: ApnsKey | None = None
        self._token = b""
        self._token_since = 0.0
        self._wedged = False
        self._bad_tokens: deque[float] = deque()

    @property
    def default_topic(self) -> bytes:
        """The topic of a certificate that stands for one app only."""
        return self._topics[0].encode() if len(self._topics) == 1 else b""

    @property
    def established(self) -> bool:
        """Whether a valid provider token or a certificate has been shown."""
        return self._bound is not None or bool(self._topics)

    def fault(self, authorization: bytes | None, now: float) -> Fault | None:
        """Return status and reason if the request is not to be trusted."""
        if self._wedged:
            return 403, "ExpiredProviderToken"
        if authorization is None:
            return None if self._topics else (403, "MissingProviderToken")
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not token:
            return 403, "MissingProviderToken"
        verified = self._tokens.verify(token)
        if verified is None:
            return 403, "InvalidProviderToken"
        if abs(now - verified.issue_time) > TOKEN_LIFE:
            self._wedged = self._settings.wedge_on_expired_token
            return 403, "ExpiredProviderToken"
        return self._binding_fault(verified.key) or self._update_fault(token, now)

    def allows(self, bundle: str, topic: str, push_type: bytes) -> bool:
        """Tell whether key or certificate may push to the topic."""
        if self._bound is not None:
            return not self._bound.topics or bundle in self._bound.topics
        if push_type == b"location":
            return False  # with token authentication only
        return any(topic == own or topic.startswith(own + ".") for own in self._topics)

    def too_many_bad_tokens(self, now: float) -> bool:
        """Count a `BadDeviceToken`; tell whether the connection has had too many of late."""
        limit = self._settings.bad_token_limit
        if limit is None:
            return False
        self._bad_tokens.append(now)
        while self._bad_tokens[0] <= now - self._settings.bad_token_window:
            self._bad_tokens.popleft()
        return len(self._bad_tokens) >= limit

    def _binding_fault(self, key: ApnsKey) -> Fault | None:
        bound = self._bound or key
        if key.environment not in ("", self._settings.environment):
            return 403, self._settings.environment_reason
        if key.team_id != bound.team_id:
            return 403, "InvalidProviderToken" if key.account == bound.account else "Forbidden"
        if key.family != bound.family:
            return 403, "UnrelatedKeyIdInToken"
        return None

    def _update_fault(self, token: bytes, now: float) -> Fault | None:
        if token == self._token:
            return None
        if self._token and now - self._token_since < TOKEN_UPDATE_SECONDS:
            return 429, "TooManyProviderTokenUpdates"
        verified = self._tokens.verify(token)
        self._bound = verified.key if verified else None
        self._token, self._token_since = token, now
        return None
