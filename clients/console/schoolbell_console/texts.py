"""What the pages say: Fluent files in `locales`, one a language; English where one lacks a text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal
from fluent.runtime import FluentBundle, FluentResource
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

_LOCALES = Path(__file__).parent / "locales"
LANGUAGES = {"en": "English", "es": "Español"}
FALLBACK = "en"


def choose(wanted: str, accepted: str) -> str:
    """Return the language of a page: as chosen, else the browser's first that there is."""
    if wanted in LANGUAGES:
        return wanted
    for part in accepted[:200].split(","):
        if (language := part.strip()[:2].lower()) in LANGUAGES:
            return language
    return FALLBACK


class Words:
    """The texts of one language, and times in the time zone of a district."""

    def __init__(self, language: str, time_zone: str = "") -> None:
        self.language = language
        self.zone = _zone(time_zone)

    def __call__(self, message: str, **values: Any) -> str:
        """Return a text by its name; LookupError where there is none in any language."""
        found = self.find(message, values)
        if found is None:
            raise LookupError(f"there is no text {message}")
        return found

    def find(self, message: str, values: Mapping[str, Any] | None = None) -> str | None:
        """Return a text by its name, None where there is none."""
        for language in dict.fromkeys((self.language, FALLBACK)):
            bundle = _bundle(language)
            if bundle.has_message(message):
                pattern = bundle.get_message(message).value
                assert pattern is not None, f"{message} has no text"
                return str(bundle.format_pattern(pattern, dict(values or {}))[0])
        return None

    def member(self, enum: Any, number: int, prefix: str = "") -> str:
        """Return the text of an enum's member, such as `kind-grade`; unknown ones say so."""
        found = self.find(f"{prefix or slug(enum.DESCRIPTOR.name)}-{member_slug(enum, number)}")
        return found or self("unknown")

    def slug(self, enum: Any, number: int) -> str:
        """Return a member's name as texts and classes use it."""
        return member_slug(enum, number)

    def time(self, stamp: Timestamp | None, *, seconds: bool = False) -> str:
        """Return a time in words, in the district's time zone; '' where there is none."""
        if stamp is None or not (stamp.seconds or stamp.nanos):
            return ""
        time = stamp.ToDatetime(dt.UTC).astimezone(self.zone)
        day = format_date(time, locale=self.language)
        style = "medium" if seconds else "short"
        return f"{day}, {format_time(time, style, locale=self.language)}"

    def clock(self, stamp: Timestamp) -> str:
        """Return the time of the day of a time, to the second."""
        time = stamp.ToDatetime(dt.UTC).astimezone(self.zone)
        return format_time(time, locale=self.language)

    def day(self, stamp: Timestamp) -> str:
        """Return the day of a time."""
        return format_date(stamp.ToDatetime(dt.UTC).astimezone(self.zone), locale=self.language)

    def date(self, date: Date) -> str:
        """Return a date in words."""
        return format_date(dt.date(date.year, date.month, date.day), locale=self.language)

    def number(self, value: float) -> str:
        """Return a number as the language writes it."""
        return format_decimal(value, locale=self.language)

    def money(self, units: int, nanos: int, currency: str) -> str:
        """Return an amount as the language writes it."""
        amount = Decimal(units) + Decimal(nanos) / 1_000_000_000
        return format_currency(amount, currency, locale=self.language)


def slug(name: str) -> str:
    """Return a name such as `DeliveryState` as `delivery-state`."""
    return "".join(f"-{char.lower()}" if char.isupper() else char for char in name).lstrip("-")


def member_slug(enum: Any, number: int) -> str:
    """Return a member's name without the prefix of its enum, such as `lunch-balance`."""
    zero = enum.DESCRIPTOR.values_by_number[0].name.removesuffix("UNSPECIFIED")
    member = enum.DESCRIPTOR.values_by_number.get(number)
    return member.name.removeprefix(zero).lower().replace("_", "-") if member else "unknown"


@cache
def _bundle(language: str) -> FluentBundle:
    bundle = FluentBundle([language], use_isolating=False)
    text = (_LOCALES / f"{language}.ftl").read_text(encoding="utf-8")
    bundle.add_resource(FluentResource(text))
    return bundle


@cache
def _zone(name: str) -> dt.tzinfo:
    try:
        return ZoneInfo(name) if name else dt.UTC
    except (ZoneInfoNotFoundError, ValueError):
        return dt.UTC
