"""The values of a request that no servicer needs to see: strings and enum numbers that are bad."""

from __future__ import annotations

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from schoolbell_server.rpc import enums, texts
from schoolbell_server.rpc.errors import FieldViolation
from schoolbell_server.rpc.walk import Check, find

READ_BY_SERVICERS = frozenset(
    f"schoolbell.v1.{name}" for name in ("Change", "DeviceRegistration", "Receipt", "RosterRecord")
)
"""Items of a batch: their readers check each themselves, so that none spoils its batch."""


def bad_values(
    message: Message, *, prefix: str = "", apart: frozenset[str] = frozenset()
) -> list[FieldViolation]:
    """Return the fields that hold a bad string, or an enum number the contract does not know."""
    return find(message, _check_of, prefix=prefix, apart=apart)


def _check_of(field: FieldDescriptor) -> Check | None:
    return enums.check_of(field) or texts.check_of(field)
