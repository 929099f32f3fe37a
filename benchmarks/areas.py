"""Draw where a change's microseconds go: tables of the row `profiling`, a bar each.

    python -m benchmarks.areas PICTURE LABEL=FILE [LABEL=FILE ...]

A file holds what `make bench ROWS=profiling` printed for one database.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_WIDTH, _LEFT, _TOP, _BAR, _GAP, _LINE = 760, 150, 30, 26, 10, 16
_ROW = re.compile(r"^\| (?P<area>[^|]+?) \| (?P<us>[\d,]+) \|$", re.MULTILINE)
_TABLE = re.compile(r"\| area \| µs a change \|\n.*?(?=\n\n|\Z)", re.DOTALL)
_SAME = {
    "pipeline": "accepting, dispatching",
    "thread `python`, as the system counts it": "SQLite's threads",
    "thread `pyreqwest-worke`, as the system counts it": "HTTP/2 client's thread",
    "thread `event_engine`, as the system counts it": "gRPC's threads",
    "gRPC": "gRPC's threads",
}
"""Areas that are drawn under another name, as those that older tables call otherwise."""
_SMALL = 0.02  # of the longest bar: what is less is drawn as `other`
_COLORS = (
    *("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"),
    *("#994455", "#997700", "#117733", "#6699cc", "#dd7788", "#bbbbbb"),
)


def read(text: str) -> dict[str, float]:
    """Return the microseconds a change by area of a printed row; ValueError without its table."""
    table = _TABLE.search(text)
    if table is None:
        raise ValueError("holds no table of areas")
    found: dict[str, float] = {}
    for row in _ROW.finditer(table[0]):
        area = _SAME.get(row["area"], row["area"])
        found[area] = found.get(area, 0.0) + float(row["us"].replace(",", ""))
    return found


def draw(bars: Mapping[str, Mapping[str, float]]) -> str:
    """Return an SVG with a bar a label, split by area, and its legend."""
    longest = max(sum(areas.values()) for areas in bars.values())
    kept = _kept(bars, longest * _SMALL)
    scale = (_WIDTH - _LEFT - 80) / longest
    lines = []
    for number, (label, areas) in enumerate(bars.items()):
        top = _TOP + number * (_BAR + _GAP)
        lines += _bar(label, _shares(areas, kept), top, scale)
    legend = _TOP + len(bars) * (_BAR + _GAP) + 14
    for number, area in enumerate(kept):
        left, top = 10 + number % 2 * _WIDTH // 2, legend + number // 2 * _LINE
        lines.append(
            f'<rect x="{left}" y="{top - 9}" width="10" height="10" fill="{_COLORS[number]}"/>'
            f'<text x="{left + 16}" y="{top}">{area}</text>'
        )
    high = legend + (len(kept) + 1) // 2 * _LINE
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {high}"'
        ' font-family="sans-serif" font-size="12" fill="gray">'
        f'<text x="10" y="18">µs of the server\'s CPU a change, end to end</text>'
    )
    return "\n".join([head, *lines, "</svg>\n"])


def _kept(bars: Mapping[str, Mapping[str, float]], least: float) -> list[str]:
    """Return the areas that are drawn, the largest first, and `other` for the rest."""
    most: dict[str, float] = {}
    for areas in bars.values():
        for area, us in areas.items():
            most[area] = max(us, most.get(area, 0.0))
    large = sorted((area for area, us in most.items() if us >= least), key=lambda area: -most[area])
    return [*large[: len(_COLORS) - 1], "other"]


def _shares(areas: Mapping[str, float], kept: Sequence[str]) -> list[float]:
    shares = [areas.get(area, 0.0) for area in kept[:-1]]
    return [*shares, sum(areas.values()) - sum(shares)]


def _bar(label: str, shares: Sequence[float], top: int, scale: float) -> list[str]:
    lines = [f'<text x="10" y="{top + 17}">{label}</text>']
    left = float(_LEFT)
    for color, us in zip(_COLORS, shares, strict=False):
        lines.append(_part(left, top, us * scale, color))
        left += us * scale
    return [*lines, f'<text x="{left + 6:.1f}" y="{top + 17}">{sum(shares):,.0f}</text>']


def _part(left: float, top: int, width: float, color: str) -> str:
    return f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_BAR}" fill="{color}"/>'


def main(picture: str, *named: str) -> None:
    """Draw the tables of files."""
    bars = {}
    for one in named:
        label, _, file = one.rpartition("=")
        bars[label] = read(Path(file).read_text(encoding="utf-8"))
    Path(picture).write_text(draw(bars), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
