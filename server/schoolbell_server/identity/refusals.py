"""Why a token is refused."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum, unique


@unique
class Cause(StrEnum):
    """What is wrong with a token; a closed vocabulary, fit for logs and metrics."""

    FORM = "FORM"
    """It is no signed token in the compact form, is too long, or is critical of more than we do."""
    TYPE = "TYPE"
    """Its header says that it is a token for something else."""
    ISSUER = "ISSUER"
    """Nobody of the configuration issued it."""
    ALGORITHM = "ALGORITHM"
    """The issuer signs with others."""
    KEY_UNKNOWN = "KEY_UNKNOWN"
    KEY_AMBIGUOUS = "KEY_AMBIGUOUS"
    """The issuer has several keys of this name, or it names none of several."""
    SIGNATURE = "SIGNATURE"
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    LIFE = "LIFE"
    """It is good for longer than the configuration lets any be."""
    AUDIENCE = "AUDIENCE"
    CLAIM = "CLAIM"
    """A claim that is needed is missing, or is not of the form that it should have."""
    DISTRICT = "DISTRICT"
    """It is for no district that the issuer may speak for."""
    ROLE = "ROLE"
    """It gives no role that the issuer may give."""


_SENTENCES = {
    Cause.TYPE: "the token's type is not that of an access token",
    Cause.EXPIRED: "the token has expired",
    Cause.NOT_YET_VALID: "the token is not good yet",
    Cause.LIFE: "the token is good for longer than the server allows",
    Cause.AUDIENCE: "the token is for another audience",
    Cause.DISTRICT: "the token's issuer may not speak for its districts",
    Cause.ROLE: "the token's issuer may not give its role",
}
"""What the holder of a genuine token is told. A stranger is told nothing."""


class TokenRefused(Exception):
    """A token is not believed; the text is for its caller, and empty where it may be made up."""

    def __init__(
        self,
        cause: Cause,
        *,
        issuer: str = "",
        claim: str = "",
        expire_time: dt.datetime | None = None,
    ) -> None:
        """`issuer` is its name in the configuration, and `claim` the one that is at fault."""
        text = f"the token's claim {claim} is missing or malformed" if claim else ""
        super().__init__(text or _SENTENCES.get(cause, ""))
        self.cause = cause
        self.issuer = issuer
        self.expire_time = expire_time
