"""The shape of `[identity.issuers.<issuer>]`: whose tokens are taken, and what they may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from schoolbell_server.config.key_set import ASYMMETRIC, read_key_set
from schoolbell_server.config.ranges import Range
from schoolbell_server.security.api_key import Role
from schoolbell_server.security.credential_files import Holds, read_authority


class Algorithm(str):
    """The name of an algorithm that signs with a private and checks with a public key."""

    __slots__ = ()

    def __new__(cls, name: str) -> Self:
        """Refuse `none`, which signs nothing, and HS*, whose key could be anybody's who checks."""
        if name not in ASYMMETRIC:
            raise ValueError(f"must be of {', '.join(ASYMMETRIC)}")
        return super().__new__(cls, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerConfig:
    """One issuer of tokens. What it is not allowed here, its tokens cannot say."""

    name: str
    issuer: str
    """The claim `iss`, letter for letter."""
    audience: str
    """What the claim `aud` must name: this service, as the issuer calls it."""
    districts: tuple[str, ...]
    """For which it may speak; `-` is all of them."""
    roles: tuple[Role, ...]
    """That it may give, the first that a token names before the others."""
    algorithms: tuple[Algorithm, ...] = (Algorithm("RS256"),)
    jwks_file: Annotated[Path | None, Holds(read_key_set)] = None
    """Its public keys; read again when the file changes."""
    jwks_url: str = ""
    """Where its public keys are, over https, in place of a file."""
    ca_file: Annotated[Path | None, Holds(read_authority)] = None
    """The authority that `jwks_url` is checked against, besides the system's."""
    jwks_interval: Annotated[timedelta, Range(timedelta(seconds=10), timedelta(days=1))] = (
        timedelta(minutes=10)
    )
    """Between two looks at `jwks_url`."""
    jwks_pause: Annotated[timedelta, Range(timedelta(seconds=1), timedelta(hours=1))] = timedelta(
        seconds=30
    )
    """The least between two looks, however many tokens name an unknown key."""
    jwks_grace: Annotated[timedelta, Range(timedelta(0), timedelta(days=30))] = timedelta(days=1)
    """How long keys are used on while `jwks_url` does not answer."""
    clock_skew: Annotated[timedelta, Range(timedelta(0), timedelta(minutes=5))] = timedelta(
        seconds=30
    )
    """How far the issuer's clock may be off."""
    longest_life: Annotated[timedelta, Range(timedelta(minutes=1), timedelta(days=30))] = timedelta(
        days=1
    )
    """A token that is good for longer than this from now is refused."""
    district_claim: str = ""
    """The claim with the districts; empty: a token is for all of `districts`."""
    role_claim: str = ""
    """The claim with the roles by their names; empty: a token has the one role of `roles`."""
    user_claim: str = "sub"
    """The claim with the person's id, as rights and audit log name them."""
    group_claim: str = ""
    """The claim with the groups whose rights the person has too; empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityConfig:
    """Who besides API keys is believed."""

    issuers: Mapping[str, IssuerConfig] = field(default_factory=dict)
    """By a name of the configuration's own, which logs and warnings use."""
