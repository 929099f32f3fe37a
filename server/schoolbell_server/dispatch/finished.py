"""The end of a leased delivery's turn, as it is to be written."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.gateways.common.push import PushResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The end of a leased delivery's turn: an attempt, a gate that stopped it, or its time."""

    row: Delivery
    refusal: Refusal | None = None
    """A gate stopped it before the attempt."""
    result: PushResult | None = None
    """None, and no refusal: its time was over, or somebody cancelled it."""
    address_hash: str = ""
    """Of the address that it was sent to."""
    answered: int | None = None
    """The number of the attempt that a hub answers; None where this server made it."""
    start_time: dt.datetime | None = None
    end_time: dt.datetime | None = None
    written_at: list[dt.datetime] = field(default_factory=list, compare=False)
    """The times under which it was tried to be written: a commit's answer may have been lost."""

    @property
    def passed_on(self) -> bool:
        """Return whether a hub has it now, so that its attempt stays open."""
        return self.result is not None and self.result.passed_on
