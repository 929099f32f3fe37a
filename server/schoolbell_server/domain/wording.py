"""What a text may name of a change, before a language shapes it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Percent:
    """A percentage, as it was judged: rounded, it could seem to be at a limit."""

    number: Decimal


@dataclass(frozen=True, slots=True)
class Points:
    """A number of points."""

    number: Decimal


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the district's currency."""

    amount: Decimal


Variable = str | dt.date | Percent | Points | Money | None
"""None is a name or a value that the publisher left out; '' is a text that a message may leave out.
"""
Variables = Mapping[str, Variable]


def slug(name: str) -> str:
    """Return the name of a member as the id of a message has it."""
    return name.lower().replace("_", "-")


def percent(number: Decimal | None) -> Percent | None:
    """Return a percentage that may be unknown."""
    return None if number is None else Percent(number)


def course(name: str) -> Variables:
    """Return a cleaned course name; where there is none no id stands for it: no family knows it."""
    return {"course": name, "has_course": yes(name)}


def yes(text: str) -> str:
    """Return whether there is a text, as messages select by it."""
    return "yes" if text else "no"


def number_words(number: Decimal | None, unit: str) -> str:
    """Return a number as an explanation names it; '' where it is unknown."""
    return "" if number is None else f"{number:f}{unit}"


def joined(*parts: str) -> str:
    """Return the parts that there are as an explanation lists them."""
    return ", ".join(part for part in parts if part)
