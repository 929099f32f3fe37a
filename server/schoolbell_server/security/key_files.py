"""The keys that a new district gets, by the names of their files."""

from __future__ import annotations

from collections.abc import Mapping

from schoolbell.v1 import access_service_pb2 as access

KEYS: Mapping[str, access.Role.ValueType] = {
    "publisher": access.ROLE_PUBLISHER,
    "backend": access.ROLE_MOBILE_BACKEND,
    "monitor": access.ROLE_MONITOR,
    "administrator": access.ROLE_ADMINISTRATOR,
}
"""The role of each `<name>.key`."""
