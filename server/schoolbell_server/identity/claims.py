"""What a token says of its holder, within what its issuer may say."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from schoolbell_server.config import IssuerConfig
from schoolbell_server.domain.district_id import DISTRICT_ID
from schoolbell_server.gateways.common.foreign_json import ForeignObject
from schoolbell_server.identity.refusals import Cause, TokenRefused
from schoolbell_server.security.api_key import EVERY_DISTRICT, Role

MOST_DISTRICTS = 100
MOST_ROLES = 100
MOST_GROUPS = 200
_LONGEST_ID = 128  # characters, as everywhere in the contract
_SERVICES = frozenset({Role.PUBLISHER, Role.MOBILE_BACKEND})
"""Roles of programs, behind which there is no person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Who holds a token, and as what."""

    subject: str
    district_ids: frozenset[str]
    role: Role
    user_id: str
    """The person; empty for a program."""
    groups: tuple[str, ...]


def read_claims(issuer: IssuerConfig, payload: ForeignObject) -> Claims:
    """Return what a payload says; TokenRefused where the issuer may not, or it says it wrongly."""
    role = _role(issuer, payload)
    return Claims(
        subject=_id(issuer, payload, "sub"),
        district_ids=_districts(issuer, payload, role),
        role=role,
        user_id=_user(issuer, payload, role),
        groups=_groups(issuer, payload),
    )


def _role(issuer: IssuerConfig, payload: ForeignObject) -> Role:
    if not issuer.role_claim:
        return issuer.roles[0]
    named = set(_texts(issuer, payload, issuer.role_claim, MOST_ROLES))
    for role in issuer.roles:
        if role.name.lower() in named:
            return role
    raise TokenRefused(Cause.ROLE, issuer=issuer.name)


def _districts(issuer: IssuerConfig, payload: ForeignObject, role: Role) -> frozenset[str]:
    allowed = frozenset(issuer.districts)
    if not issuer.district_claim:
        return allowed
    named = _texts(issuer, payload, issuer.district_claim, MOST_DISTRICTS)
    if not all(one == EVERY_DISTRICT or DISTRICT_ID.fullmatch(one) for one in named):
        raise TokenRefused(Cause.CLAIM, issuer=issuer.name, claim=issuer.district_claim)
    found = frozenset(named) if EVERY_DISTRICT in allowed else allowed.intersection(named)
    if EVERY_DISTRICT in found:  # rights are of one district each
        found = frozenset() if role is Role.ADMINISTRATOR else frozenset({EVERY_DISTRICT})
    if not found:
        raise TokenRefused(Cause.DISTRICT, issuer=issuer.name)
    return found


def _user(issuer: IssuerConfig, payload: ForeignObject, role: Role) -> str:
    if role in _SERVICES or not issuer.user_claim:
        return ""
    return _id(issuer, payload, issuer.user_claim)


def _groups(issuer: IssuerConfig, payload: ForeignObject) -> tuple[str, ...]:
    """Return the groups in order; a person of none may have no claim of them at all."""
    if not issuer.group_claim or not _has(payload, issuer.group_claim):
        return ()
    named = _texts(issuer, payload, issuer.group_claim, MOST_GROUPS)
    _check_ids(issuer, issuer.group_claim, named)
    return tuple(sorted(set(named)))


def _id(issuer: IssuerConfig, payload: ForeignObject, claim: str) -> str:
    holder, name = _place(payload, claim)
    value = holder.text(name) if holder is not None else ""
    _check_ids(issuer, claim, [value])
    return value


def _check_ids(issuer: IssuerConfig, claim: str, values: Collection[str]) -> None:
    if not all(_is_id(one) for one in values):
        raise TokenRefused(Cause.CLAIM, issuer=issuer.name, claim=claim)


def _is_id(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_ID and text.isprintable() and text == text.strip()


def _texts(issuer: IssuerConfig, payload: ForeignObject, claim: str, most: int) -> list[str]:
    """Return the texts of a claim: a text, or a list of nothing else."""
    holder, name = _place(payload, claim)
    values = None if holder is None else holder.all_texts(name)
    if values is None or len(values) > most:
        raise TokenRefused(Cause.CLAIM, issuer=issuer.name, claim=claim)
    return values


def _has(payload: ForeignObject, claim: str) -> bool:
    holder, name = _place(payload, claim)
    return holder is not None and name in holder


def _place(payload: ForeignObject, claim: str) -> tuple[ForeignObject | None, str]:
    """Return the object that holds a claim, and its name there.

    `realm_access.roles` is a claim of this name, else the member `roles` of `realm_access`.
    """
    holder: ForeignObject | None = payload
    while holder is not None and claim not in holder and "." in claim:
        outer, _, claim = claim.partition(".")
        holder = holder.inner(outer)
    return holder, claim
