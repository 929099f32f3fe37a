"""The members of `FieldErrorReason`, under short names for the checks of fields."""

from __future__ import annotations

from typing import TypeAlias

from schoolbell.v1.error_reason_pb2 import FieldErrorReason

FieldReason: TypeAlias = FieldErrorReason.ValueType

REQUIRED = FieldErrorReason.FIELD_ERROR_REASON_REQUIRED
TOO_LONG = FieldErrorReason.FIELD_ERROR_REASON_TOO_LONG
TOO_SHORT = FieldErrorReason.FIELD_ERROR_REASON_TOO_SHORT
OUT_OF_RANGE = FieldErrorReason.FIELD_ERROR_REASON_OUT_OF_RANGE
UNKNOWN_ENUM_NUMBER = FieldErrorReason.FIELD_ERROR_REASON_UNKNOWN_ENUM_NUMBER
BAD_FORMAT = FieldErrorReason.FIELD_ERROR_REASON_BAD_FORMAT
WRONG_CURRENCY = FieldErrorReason.FIELD_ERROR_REASON_WRONG_CURRENCY
DUPLICATE = FieldErrorReason.FIELD_ERROR_REASON_DUPLICATE
IMMUTABLE = FieldErrorReason.FIELD_ERROR_REASON_IMMUTABLE
NOT_ALLOWED = FieldErrorReason.FIELD_ERROR_REASON_NOT_ALLOWED
INCONSISTENT = FieldErrorReason.FIELD_ERROR_REASON_INCONSISTENT


def short_name(reason: FieldReason) -> str:
    """Return a reason as it is on the wire, such as `TOO_LONG`."""
    return FieldErrorReason.Name(reason).removeprefix("FIELD_ERROR_REASON_")
