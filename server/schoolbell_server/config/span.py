"""Lengths of time as people write them: 250ms, 30s, 5m, 2h, 7d."""

from __future__ import annotations

import datetime as dt
import re

_UNITS = {
    "ms": dt.timedelta(milliseconds=1),
    "s": dt.timedelta(seconds=1),
    "m": dt.timedelta(minutes=1),
    "h": dt.timedelta(hours=1),
    "d": dt.timedelta(days=1),
}
_SPAN = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)", re.ASCII)


def parse_span(text: str) -> dt.timedelta:
    """Read one number with one unit; ValueError if it is not that."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError("must be a time such as 250ms, 30s, 5m, 2h or 7d")
    return float(match[1]) * _UNITS[match[2]]


def show_span(span: dt.timedelta) -> str:
    """Write a span in the largest unit that leaves no fraction."""
    for name in ("d", "h", "m", "s"):
        if span >= _UNITS[name] and span % _UNITS[name] == dt.timedelta(0):
            return f"{span // _UNITS[name]}{name}"
    return f"{span // _UNITS['ms']}ms"
