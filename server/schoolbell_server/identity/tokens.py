"""Check tokens: the signature before anything else, and nothing is looked up for a bad one.

A token that was good is known again by its hash, so that a call costs no second signature. The
hash is forgotten with the token's end, and is worth nothing once the issuer withdraws the key.
"""

from __future__ import annotations

import binascii
import datetime as dt
import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import jwt
from jwt.utils import base64url_decode

from schoolbell_server.config import IdentityConfig, IssuerConfig
from schoolbell_server.config.key_set import Missing, VerifyingKey
from schoolbell_server.gateways.common.foreign_json import BadDocument, ForeignObject, read_object
from schoolbell_server.identity.claims import read_claims
from schoolbell_server.identity.key_source import KeySource
from schoolbell_server.identity.refusals import Cause, TokenRefused
from schoolbell_server.identity.token import Token, TokenGrant
from schoolbell_server.security.api_key import Right, Rights, Role, Tool

LONGEST = 8 * 1024  # characters of a token
_MOST_KNOWN = 10_000
_TYPES = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})
_NOT_UNDERSTOOD = frozenset({"crit", "b64"})
"""Header parameters that change what a token means, and that nothing here does."""

_jws = jwt.PyJWS()


class RightsStore(Protocol):
    """Where tool rights are kept."""

    async def rights(
        self, district_ids: frozenset[str], user_id: str, groups: tuple[str, ...]
    ) -> Mapping[str, Mapping[int, int]]:
        """Return the rights of a person and of groups by district and tool."""


class Tokens:
    """Tells whose tokens are good, and what their holders may do."""

    def __init__(
        self,
        identity: IdentityConfig,
        sources: Mapping[str, KeySource],
        store: RightsStore,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take `sources` by the issuers' names; `clock` gives epoch seconds."""
        self._issuers = {one.issuer: one for one in identity.issuers.values()}
        self._by_name = identity.issuers
        self._sources = sources
        self._store = store
        self._clock = clock
        self._known: dict[bytes, Token] = {}

    @staticmethod
    def is_one(credential: str) -> bool:
        """Tell whether a credential has the form of a token: three parts, with dots between."""
        return credential.count(".") == 2

    async def check(self, text: str) -> Token:
        """Return what a token says; TokenRefused if it is not good."""
        if len(text) > LONGEST:
            raise TokenRefused(Cause.FORM)
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        token = self._known.pop(digest, None)  # what was looked up last goes last
        if token is None or not self._is_vouched_for(token):
            token = await self._read(text)
        if len(self._known) >= _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self.check_time(token)
        self._known[digest] = token
        return token

    def check_time(self, token: Token) -> None:
        """Raise TokenRefused once a token has expired."""
        skew = self._by_name[token.issuer].clock_skew
        if self._clock() >= (token.expire_time + skew).timestamp():
            raise TokenRefused(Cause.EXPIRED, issuer=token.issuer, expire_time=token.expire_time)

    async def grant(self, token: Token) -> TokenGrant:
        """Return what the holder of a token may do now."""
        claims = token.claims
        found: Mapping[str, Mapping[int, int]] = {}
        if claims.role is Role.ADMINISTRATOR:
            found = await self._store.rights(claims.district_ids, claims.user_id, claims.groups)
        rights: dict[str, Rights] = {
            district_id: {Tool(tool): Right(granted) for tool, granted in here.items()}
            for district_id, here in found.items()
        }
        return TokenGrant(
            key_id=token.key_id,
            district_ids=claims.district_ids,
            role=claims.role,
            rights=rights,
            user_id=claims.user_id,
            expire_time=token.expire_time,
            token=token,
        )

    async def grant_again(self, token: Token) -> TokenGrant:
        """Return what the holder of a token of a while ago may do now; TokenRefused if nothing."""
        self.check_time(token)
        if not self._is_vouched_for(token):
            raise TokenRefused(Cause.KEY_UNKNOWN, issuer=token.issuer)
        return await self.grant(token)

    def _is_vouched_for(self, token: Token) -> bool:
        return self._sources[token.issuer].keys.holds(token.signed_by)

    async def _read(self, text: str) -> Token:
        header, payload = _parts(text)
        issuer = self._issuers.get(payload.text("iss"))
        if issuer is None:
            raise TokenRefused(Cause.ISSUER)
        algorithm = header.text("alg")
        if algorithm not in issuer.algorithms:
            raise TokenRefused(Cause.ALGORITHM, issuer=issuer.name)
        key = await self._sources[issuer.name].find(header.text("kid"), algorithm)
        if isinstance(key, Missing):
            unknown = key is Missing.UNKNOWN
            cause = Cause.KEY_UNKNOWN if unknown else Cause.KEY_AMBIGUOUS
            raise TokenRefused(cause, issuer=issuer.name)
        _check_signature(text, key, algorithm, issuer)
        if header.text("typ").lower() not in _TYPES:
            raise TokenRefused(Cause.TYPE, issuer=issuer.name)
        expire_time = self._check_times(payload, issuer)
        if issuer.audience not in (payload.all_texts("aud") or ()):
            raise TokenRefused(Cause.AUDIENCE, issuer=issuer.name)
        return Token(
            issuer=issuer.name,
            claims=read_claims(issuer, payload),
            expire_time=expire_time,
            signed_by=key,
        )

    def _check_times(self, payload: ForeignObject, issuer: IssuerConfig) -> dt.datetime:
        """Return when a token ends; TokenRefused where it is not for now."""
        now, skew = self._clock(), issuer.clock_skew.total_seconds()
        for claim in ("exp", "nbf", "iat"):
            if payload.number(claim) is None and (claim in payload or claim == "exp"):
                raise TokenRefused(Cause.CLAIM, issuer=issuer.name, claim=claim)
        end = payload.number("exp") or 0.0
        if end > now + issuer.longest_life.total_seconds() + skew:
            raise TokenRefused(Cause.LIFE, issuer=issuer.name)
        expire_time = dt.datetime.fromtimestamp(max(end, 0.0), dt.UTC)
        if now >= end + skew:
            raise TokenRefused(Cause.EXPIRED, issuer=issuer.name, expire_time=expire_time)
        if max(payload.number("nbf") or 0.0, payload.number("iat") or 0.0) > now + skew:
            raise TokenRefused(Cause.NOT_YET_VALID, issuer=issuer.name)
        return expire_time


def _parts(text: str) -> tuple[ForeignObject, ForeignObject]:
    """Return the header and the payload of a token; nothing of them is believed yet."""
    head, body, _ = text.split(".")
    try:
        header, payload = read_object(base64url_decode(head)), read_object(base64url_decode(body))
    except (BadDocument, binascii.Error, ValueError):
        raise TokenRefused(Cause.FORM) from None
    if any(name in header for name in _NOT_UNDERSTOOD) or (
        "kid" in header and not header.text("kid")
    ):
        raise TokenRefused(Cause.FORM)
    return header, payload


def _check_signature(text: str, key: VerifyingKey, algorithm: str, issuer: IssuerConfig) -> None:
    """Raise TokenRefused unless a key signed a token. Keys that its header offers count nothing."""
    try:
        _jws.decode_complete(text, key.public, algorithms=[algorithm])
    except (jwt.PyJWTError, ValueError, TypeError):
        raise TokenRefused(Cause.SIGNATURE, issuer=issuer.name) from None
