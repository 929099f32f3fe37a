"""A line in an SVG, for the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.results import number

_WIDTH, _HEIGHT, _LEFT, _EDGE = 640, 240, 70, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One line, from zero upwards."""

    title: str
    across: str
    up: str
    points: Sequence[tuple[float, float]]

    @property
    def svg(self) -> str:
        """Return the picture."""
        most_x = max(x for x, _ in self.points) or 1
        most_y = max(y for _, y in self.points) or 1
        wide, high = _WIDTH - _LEFT - _EDGE, _HEIGHT - 2 * _EDGE
        line = " ".join(
            f"{_LEFT + x / most_x * wide:.1f},{_HEIGHT - _EDGE - y / most_y * high:.1f}"
            for x, y in self.points
        )
        bottom = _HEIGHT - _EDGE
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
                ' font-family="sans-serif" font-size="11" fill="gray">',
                f'<path d="M{_LEFT} {_EDGE}V{bottom}H{_WIDTH - _EDGE}" stroke="gray" fill="none"/>',
                f'<polyline points="{line}" stroke="steelblue" stroke-width="2" fill="none"/>',
                f'<text x="{_LEFT}" y="18">{self.title}</text>',
                f'<text x="4" y="{_EDGE + 4}">{number(most_y)} {self.up}</text>',
                f'<text x="{_LEFT - 12}" y="{bottom}">0</text>',
                f'<text x="{_WIDTH - _EDGE}" y="{_HEIGHT - 10}" text-anchor="end">'
                f"{number(most_x)} {self.across}</text>",
                "</svg>\n",
            ]
        )
