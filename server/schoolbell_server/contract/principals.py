"""Callers as the contract shows them."""

from __future__ import annotations

from schoolbell.v1 import common_pb2
from schoolbell_server.domain.principal import Principal


def write_principal(principal: Principal) -> common_pb2.Principal:
    """Return who did something."""
    return common_pb2.Principal(
        type=common_pb2.PrincipalType.ValueType(principal.type),
        id=principal.id,
        acting_user_id=principal.acting_user_id,
    )
