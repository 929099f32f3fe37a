"""Who does something to the service."""

from __future__ import annotations

import json
from dataclasses import dataclass

from schoolbell_server.domain import compact
from schoolbell_server.domain.kinds import PrincipalType


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller, and the person for whom it acts."""

    type: PrincipalType
    id: str
    acting_user_id: str = ""
    """'' where the caller acts for itself."""


def encode_principal(principal: Principal) -> str:
    """Return a principal as compact text."""
    return compact.encode([principal.type, principal.id, principal.acting_user_id])


def decode_principal(text: str) -> Principal:
    """Return the principal that `encode_principal` wrote."""
    number, name, acting_user_id = json.loads(text)
    return Principal(PrincipalType(number), name, acting_user_id)
