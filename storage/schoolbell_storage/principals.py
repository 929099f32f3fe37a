"""Principals as compact text."""

from __future__ import annotations

import json

from schoolbell_server.domain import compact
from schoolbell_server.domain.principal import Principal, PrincipalType
from schoolbell_storage.mapping import Codec


def encode_principal(principal: Principal | None) -> str:
    """Return a principal as compact text; '' for none."""
    if principal is None:
        return ""
    return compact.encode([principal.type, principal.id, principal.acting_user_id])


def decode_principal(text: str) -> Principal | None:
    """Return the principal that `encode_principal` wrote."""
    if not text:
        return None
    number, name, acting_user_id = json.loads(text)
    return Principal(PrincipalType(number), name, acting_user_id)


PRINCIPAL = Codec(encode_principal, decode_principal, takes_none=True)
