"""Versions as dotted numbers."""

from __future__ import annotations

from functools import lru_cache
from itertools import takewhile


def is_older(version: str, minimum: str) -> bool:
    """Return whether a version is below a minimum; '' is no minimum, and the oldest version."""
    return _numbers(version) < _numbers(minimum)


@lru_cache(maxsize=1024)
def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version; what follows the digits of a part does not count."""
    numbers = [_leading_number(part) for part in version.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _leading_number(part: str) -> int:
    return int("".join(takewhile(str.isdecimal, part.strip())) or "0")
