"""What a row answers: figures for the table, and what there is to say beside them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number, and what it is held against."""

    what: str
    value: float
    unit: str
    database: str = ""
    target: float | None = None
    """Of the design; what is measured in milliseconds or as a ratio should stay below it."""
    bare: tuple[str, float] | None = None
    """A limit measured in the same run: what it is, and its value in the same unit."""

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the figure as a row of the table."""
        return (
            self.what,
            self.database,
            f"{number(self.value)} {self.unit}".strip(),
            "" if self.target is None else f"{number(self.target)}",
            "" if self.target is None else f"{self.value / self.target:.2f}",
            "" if self.bare is None else f"{self.value / self.bare[1]:.3f} of {self._limit}",
        )

    @property
    def _limit(self) -> str:
        assert self.bare is not None
        return f"{self.bare[0]} ({number(self.bare[1])})"


HEAD = ("what", "database", "figure", "target", "figure / target", "figure / bare limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one row found out."""

    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Paragraphs of Markdown."""
    plots: dict[str, str] = field(default_factory=dict)
    """SVG pictures by name."""


def number(value: float) -> str:
    """Return a number with as many digits as a noisy machine deserves."""
    if value >= 1_000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def table(figures: list[Figure]) -> str:
    """Return figures as a table in Markdown."""
    lines = [HEAD, ("---",) * len(HEAD), *(figure.cells for figure in figures)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def percentile(values: list[float], share: float) -> float:
    """Return the value that a share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
