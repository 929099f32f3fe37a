"""Who did something, as the records of the service name them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, unique


@unique
class PrincipalType(IntEnum):
    """The sorts of callers; numbers are the contract's."""

    USER = 1
    API_KEY = 2
    CERTIFICATE = 3
    TOKEN = 4
    SYSTEM = 5


@dataclass(frozen=True, slots=True)
class Principal:
    """One caller, or a part of the service."""

    type: PrincipalType
    id: str
    acting_user_id: str = ""
    """The person for whom the caller acted; empty if it acted for itself."""

    @property
    def name(self) -> str:
        """Who it is in one word: the person, else the caller."""
        return self.acting_user_id or self.id


START = Principal(PrincipalType.SYSTEM, "start")
"""The service as it starts."""


OPERATOR_KEY = Principal(PrincipalType.SYSTEM, "operator-key")
"""The command of the server's machine that makes another key for the operator."""
