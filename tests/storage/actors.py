"""People who act, for what records them."""

from __future__ import annotations

from schoolbell_server.domain.principal import Principal, PrincipalType
from schoolbell_storage.audit import Actor


def person(user_id: str) -> Principal:
    """Return a person."""
    return Principal(PrincipalType.USER, user_id)


def acting(user_id: str) -> Actor:
    """Return a person in a call of their own."""
    return Actor(person(user_id), "127.0.0.1", f"call-of-{user_id}")
