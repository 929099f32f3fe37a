"""The values with which a text tells a change, shaped for a language."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from babel import Locale
from babel.numbers import format_currency
from fluent.runtime.types import FluentType, fluent_date, fluent_number

from schoolbell_server.domain.change import Change
from schoolbell_server.domain.wording import Money, Percent, Points, Variable
from schoolbell_server.texts.shaping import clean

Values = dict[str, str | FluentType]
UNKNOWN = "•"  # what stands for a name that the publisher left out
LONGEST_NAME = 200  # characters of a name within a text
_MOST_DECIMALS = 4  # of a percentage or of points, as the contract reads them


def values_of(change: Change, student_name: str, currency_code: str) -> Values:
    """Return the values that a detailed text may name; every message takes what it needs."""
    name, currency = _clean(student_name), _clean(currency_code)
    values: Values = {"student": name, "known": "named" if name else "unnamed"}
    for variable, value in change.payload.variables(_clean).items():
        values[variable] = _shaped(value, currency)
    return values


def _shaped(value: Variable, currency_code: str) -> str | FluentType:
    match value:
        case None:
            return UNKNOWN
        case str():
            return value
        case dt.date():
            return fluent_date(value, dateStyle="medium")
        case Percent():
            share = value.number / 100
            return fluent_number(share, style="percent", maximumFractionDigits=_MOST_DECIMALS)
        case Points():
            return fluent_number(value.number, maximumFractionDigits=_MOST_DECIMALS)
        case Money():
            return _Money(value.amount, currency_code)


class _Money(FluentType):
    """An amount with every decimal it has, and at least those of its currency."""

    def __init__(self, amount: Decimal, currency_code: str) -> None:
        self._amount = amount
        self._currency_code = currency_code

    def format(self, locale: Locale) -> str:
        return format_currency(
            self._amount, self._currency_code, locale=locale, decimal_quantization=False
        )


def _clean(text: str) -> str:
    """Return a publisher's text as it may stand within a notification."""
    return clean(text, LONGEST_NAME)
