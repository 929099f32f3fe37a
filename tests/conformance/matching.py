"""Whether an answer is what a scenario expects; README.md describes the matchers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

_ABSENT = object()


def mismatches(expected: Any, actual: Any, path: str = "") -> list[str]:
    """Return what is not as expected, each with its path; nothing if all is."""
    return list(_mismatches(expected, actual, path or "answer"))


def at_path(value: Any, path: str) -> Any:
    """Return what a dotted path names; raise KeyError where there is nothing."""
    for part in path.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (IndexError, KeyError, TypeError, ValueError):
            raise KeyError(path) from None
    return value


def _mismatches(expected: Any, actual: Any, path: str) -> Iterator[str]:
    if isinstance(expected, dict) and len(expected) == 1 and next(iter(expected)).startswith("$"):
        ((name, argument),) = expected.items()
        yield from _MATCHERS[name](argument, actual, path)
    elif actual is _ABSENT:
        yield f"{path}: expected {expected!r}, nothing is there"
    elif isinstance(expected, dict):
        yield from _object(expected, actual, path)
    elif isinstance(expected, list):
        yield from _list(expected, actual, path)
    elif expected != actual or not _comparable(expected, actual):
        yield f"{path}: expected {expected!r}, found {_short(actual)}"


def _comparable(expected: Any, actual: Any) -> bool:
    """Tell whether values are of one type; any two numbers are, but true is no 1."""
    types = {type(expected), type(actual)}
    return len(types) == 1 or types == {int, float}


def _object(expected: dict[str, Any], actual: Any, path: str) -> Iterator[str]:
    if not isinstance(actual, dict):
        yield f"{path}: expected an object, found {_short(actual)}"
        return
    for key, value in expected.items():
        yield from _mismatches(value, actual.get(key, _ABSENT), f"{path}.{key}")


def _list(expected: list[Any], actual: Any, path: str) -> Iterator[str]:
    if not isinstance(actual, list) or len(actual) != len(expected):
        yield f"{path}: expected a list of {len(expected)}, found {_short(actual)}"
        return
    for number, (one, found) in enumerate(zip(expected, actual, strict=True)):
        yield from _mismatches(one, found, f"{path}.{number}")


def _check(what: str, holds: Callable[[Any, Any], bool]) -> Callable[..., Iterator[str]]:
    def check(argument: Any, actual: Any, path: str) -> Iterator[str]:
        if actual is _ABSENT or not holds(argument, actual):
            found = "nothing" if actual is _ABSENT else _short(actual)
            yield f"{path}: expected {what} {argument!r}, found {found}"

    return check


def _absent(argument: Any, actual: Any, path: str) -> Iterator[str]:
    if actual is not _ABSENT:
        yield f"{path}: expected nothing, found {_short(actual)}"


def _not(argument: Any, actual: Any, path: str) -> Iterator[str]:
    if not list(_mismatches(argument, actual, path)):
        yield f"{path}: expected anything but {argument!r}"


def _every(argument: Any, actual: Any, path: str) -> Iterator[str]:
    if not isinstance(actual, list):
        yield f"{path}: expected a list, found {_short(actual)}"
        return
    for number, one in enumerate(actual):
        yield from _mismatches(argument, one, f"{path}.{number}")


def _has(argument: Any, actual: Any) -> bool:
    return isinstance(actual, list) and any(
        not list(_mismatches(argument, one, "")) for one in actual
    )


def _number(actual: Any) -> float:
    """Return a number or the text of one; anything else is neither large nor small."""
    try:
        return float(actual)
    except (TypeError, ValueError):
        return math.nan


def _length(actual: Any) -> int:
    return len(actual) if isinstance(actual, list | str) else -1


def _distinct(argument: str, actual: Any) -> bool:
    values = [repr(at_path(one, argument)) for one in actual]
    return len(values) == len(set(values))


_MATCHERS: dict[str, Callable[..., Iterator[str]]] = {
    "$any": _check("anything", lambda argument, actual: True),
    "$absent": _absent,
    "$regex": _check(
        "a match of", lambda text, actual: bool(isinstance(actual, str) and re.search(text, actual))
    ),
    "$least": _check("at least", lambda least, actual: _number(actual) >= least),
    "$most": _check("at most", lambda most, actual: _number(actual) <= most),
    "$length": _check("the length", lambda length, actual: _length(actual) == length),
    "$every": _every,
    "$has": _check("an item like", _has),
    "$distinct": _check("different", _distinct),
    "$not": _not,
}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]} … ({len(text)} characters)"
