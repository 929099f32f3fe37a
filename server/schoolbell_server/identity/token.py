"""A token that was checked, and what it allows."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

from schoolbell_server.config.key_set import VerifyingKey
from schoolbell_server.domain.principal import Principal, PrincipalType
from schoolbell_server.identity.claims import Claims
from schoolbell_server.security.api_key import Grant

_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token whose signature and claims are good; its text is not kept."""

    issuer: str
    """The issuer's name in the configuration."""
    claims: Claims
    expire_time: dt.datetime
    signed_by: VerifyingKey

    @property
    def key_id(self) -> str:
        """Name its subject in logs and limits: all tokens of one share what one may use.

        By a digest: a subject may be an address or a name.
        """
        subject = hashlib.sha256(self.claims.subject.encode()).hexdigest()[:_DIGITS]
        return f"token/{self.issuer}/{subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGrant(Grant):
    """What the holder of a token may do."""

    token: Token

    @property
    def principal(self) -> Principal:
        """Who acts with it: the subject, and the person that the token names."""
        return Principal(PrincipalType.TOKEN, self.token.claims.subject, self.user_id)
