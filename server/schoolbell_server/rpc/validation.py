"""Collect every bad field of a request in one pass.

`Violations.add` is what the readers of `contract.fields` report to; the checks here are those
that every servicer needs around them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sized
from enum import IntEnum
from typing import TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.type.money_pb2 import Money

from schoolbell_server.domain.district_id import DISTRICT_ID, MAX_ID, MIN_ID
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.errors import FieldViolation, InvalidFields
from schoolbell_server.rpc.field_reasons import FieldReason
from schoolbell_server.security.api_key import EVERY_DISTRICT

DEFAULT_PAGE = 50
MAX_PAGE = 1000
REQUIRED = "is required"

_Member = TypeVar("_Member", bound=IntEnum)


class Violations:
    """Gather what is wrong with a request, and refuse it whole."""

    def __init__(self, found: Iterable[FieldViolation] = ()) -> None:
        self._found = list(found)

    def add(
        self, field: str, description: str, reason: FieldReason = reasons.BAD_FORMAT, /
    ) -> None:
        """Say what is wrong with the field at a path: the sentence after it, without full stop."""
        self._found.append(FieldViolation(field, description, reason))

    def refuse(self) -> None:
        """Raise InvalidFields with everything that was added; nothing if that is nothing."""
        if self._found:
            raise InvalidFields(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def required(self, message: Message, *fields: str, prefix: str = "") -> None:
        """Check that fields which have presence are set."""
        for field in fields:
            if not message.HasField(field):
                self.add(prefix + field, REQUIRED, reasons.REQUIRED)

    def district_id(self, value: str, field: str = "district_id", *, every: bool = False) -> str:
        """Check a district id; `-` passes where every district may be meant."""
        if not value:
            self.add(field, REQUIRED, reasons.REQUIRED)
        elif not (every and value == EVERY_DISTRICT) and not DISTRICT_ID.fullmatch(value):
            self.add(
                field, f"must be {MIN_ID} to {MAX_ID} of a-z, 0-9 and hyphen", _id_reason(value)
            )
        return value

    def page_size(self, value: int, field: str = "page_size") -> int:
        """Return the size of a page: 0 is 50, at most 1000."""
        if not 0 <= value <= MAX_PAGE:
            self.add(field, f"must be from 0 to {MAX_PAGE}, is {value}", reasons.OUT_OF_RANGE)
        return value or DEFAULT_PAGE

    def count(self, items: Sized, field: str, *, most: int, least: int = 0) -> None:
        """Check how many values a repeated field has."""
        if not least <= len(items) <= most:
            reason = reasons.TOO_LONG if len(items) > most else reasons.TOO_SHORT
            self.add(field, f"must have from {least} to {most} values, has {len(items)}", reason)

    def member(self, enum: type[_Member], number: int, field: str) -> _Member | None:
        """Return the domain's member of an enum number; 0 and unknown numbers are refused."""
        if not number:
            self.add(field, REQUIRED, reasons.REQUIRED)
            return None
        try:
            return enum(number)
        except ValueError:
            self.add(field, f"has no member with the number {number}", reasons.UNKNOWN_ENUM_NUMBER)
            return None

    def currency(self, money: Money, field: str, currency_code: str) -> None:
        """Check that an amount is in the district's currency."""
        if money.currency_code != currency_code:
            self.add(
                f"{field}.currency_code",
                f"must be {currency_code}, is {money.currency_code!r}",
                reasons.WRONG_CURRENCY,
            )

    def mask(
        self, mask: FieldMask, allowed: Collection[str], field: str = "update_mask"
    ) -> frozenset[str]:
        """Return the paths of a mask; each must be allowed, and there must be one."""
        if not mask.paths:
            self.add(field, REQUIRED, reasons.REQUIRED)
        for index, path in enumerate(mask.paths):
            if path not in allowed:
                self.add(
                    f"{field}.paths[{index}]",
                    f"names {path!r}, which cannot be updated",
                    reasons.IMMUTABLE,
                )
        return frozenset(mask.paths)


def _id_reason(value: str) -> FieldReason:
    """Return which rule a bad district id breaks: its length before its characters."""
    if len(value) > MAX_ID:
        return reasons.TOO_LONG
    return reasons.TOO_SHORT if len(value) < MIN_ID else reasons.BAD_FORMAT
