"""Enum numbers that the contract does not know: protobuf keeps them silently."""

from __future__ import annotations

from functools import partial

from google.protobuf.descriptor import FieldDescriptor

from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.walk import BadValue, Check


def check_of(field: FieldDescriptor) -> Check | None:
    """Return how the numbers of a field are checked; None if it holds no enum."""
    if field.enum_type is None:
        return None
    return partial(_unknown, frozenset(field.enum_type.values_by_number))


def _unknown(known: frozenset[int], number: int) -> BadValue | None:
    if number in known:
        return None
    return BadValue(f"has no member with the number {number}", reasons.UNKNOWN_ENUM_NUMBER)
