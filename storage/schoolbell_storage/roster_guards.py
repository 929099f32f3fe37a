"""What an import may not lose: shares of what its source has, and bars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from schoolbell_storage.roster_checks import Problem, ProblemCode
from schoolbell_storage.roster_records import RecordName, RecordType

MAX_DEACTIVATED = "max_deactivated_percent"
MAX_PORTAL_LOSS = "max_portal_loss_percent"
MAX_BIRTH_DATE_LOSS = "max_birth_date_loss_percent"
ALLOW_BAR_LOSS = "allow_bar_loss"
NEVER_REFUSED = 10
"""So few records are no sign of a broken import, whatever their share, and can be corrected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """The largest shares that an import may lose, in percent from 0 to 100, and whether bars."""

    max_deactivated_percent: float = 5.0
    max_portal_loss_percent: float = 5.0
    max_birth_date_loss_percent: float = 5.0
    allow_bar_loss: bool = False


@dataclass(frozen=True, slots=True)
class Loss:
    """How many records of how many lose something that a guard limits."""

    guard: str
    record_type: RecordType
    lost: int
    stored: int
    """Of the import's own source, before it."""

    @property
    def percent(self) -> float:
        """Return the share that is lost; what is lost of other sources counts on top."""
        return min(100.0, 100.0 * self.lost / max(self.stored, 1))


@dataclass(frozen=True, slots=True)
class Excess:
    """The first guard that an import exceeds, and by how much; no percentages for bars."""

    guard: str
    record_type: RecordType
    percent: float | None = None
    most: float | None = None


_LOST = {
    MAX_DEACTIVATED: "would deactivate {lost} active records of the type {kind}",
    MAX_PORTAL_LOSS: "would take the portal flag from {lost} active relationships",
    MAX_BIRTH_DATE_LOSS: "would empty {lost} stored birth dates",
}


def exceeded(guards: Guards, losses: Iterable[Loss]) -> Iterator[tuple[Excess, Problem]]:
    """Yield the losses that are too large, each with the problem that says so."""
    for loss in losses:
        most: float = getattr(guards, loss.guard)
        if loss.lost > NEVER_REFUSED and loss.percent > most:
            kind = loss.record_type.name
            what = _LOST[loss.guard].format(lost=loss.lost, kind=kind)
            problem = Problem(
                record_index=None,
                name=RecordName(loss.record_type, ()),
                field=loss.guard,
                description=f"{what}, {loss.percent:.1f} %, more than {most:g} %",
                code=ProblemCode.GUARD_EXCEEDED,
            )
            yield Excess(loss.guard, loss.record_type, loss.percent, most), problem


@dataclass(frozen=True, slots=True)
class RecordCounts:
    """What happened to records of one type."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deactivated: int = 0

    @property
    def touched(self) -> int:
        """Return how many rows changed."""
        return self.created + self.updated + self.deactivated


Counts = Mapping[RecordType, RecordCounts]


class GuardsExceeded(Exception):
    """A write would lose more than it may; nothing is written."""

    def __init__(
        self, excess: Excess, counts: Counts, problems: Sequence[Problem], total: int
    ) -> None:
        super().__init__(f"{excess.guard}: {total} problems")
        self.excess = excess
        self.counts = counts
        self.problems = problems
        self.total = total
