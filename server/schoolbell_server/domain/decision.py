"""Decisions: who is told of a change, and by which gate everybody else is not.

A refusal counts once, where it is recorded: per change (gates 1 to 5, 7, 16), per app (6), per
related person (8, 9), per device (10 to 15).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from schoolbell_server.domain.fact import Previous
from schoolbell_server.domain.kinds import AppType, Gate, RefusalReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a change is judged, as facts: the domain reads no clock."""

    lateness: dt.timedelta
    """Receive time minus occur time, at least 0."""
    school_day: dt.date
    """The receive date in the school's zone."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The first gate that failed, the cause within it, and the value it saw."""

    gate: Gate
    reason: RefusalReason
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDecision:
    """Whether one device is told."""

    device_id: str
    refusal: Refusal | None = None
    previous: Previous = Previous()
    """The baseline that gates 13 to 15 were judged against."""
    correction: bool = False
    """Told because an attendance mark that it was told of is lifted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientDecision:
    """Whether one related person is told, and on which devices."""

    user_id: str
    app: AppType
    """The app in which this person would see the student: the student's own or the parents'."""
    refusal: Refusal | None = None
    devices: tuple[DeviceDecision, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The whole answer for one change."""

    refusal: Refusal | None = None
    """Set where the change itself failed; then there are no recipients."""
    app_refusals: tuple[tuple[AppType, Refusal], ...] = ()
    """The apps whose side gate 6 ended."""
    recipients: tuple[RecipientDecision, ...] = ()

    def told(self) -> Iterator[tuple[RecipientDecision, DeviceDecision]]:
        """Yield the devices that are told, with their recipients."""
        for recipient in self.recipients:
            for device in recipient.devices:
                if device.refusal is None:
                    yield recipient, device

    def refusals(self) -> Iterator[Refusal]:
        """Yield every refusal, each counted where it is recorded."""
        if self.refusal is not None:
            yield self.refusal
        for _, refusal in self.app_refusals:
            yield refusal
        for recipient in self.recipients:
            if recipient.refusal is not None:
                yield recipient.refusal
            for device in recipient.devices:
                if device.refusal is not None:
                    yield device.refusal


def count_refusals(decisions: Iterable[Decision]) -> Counter[tuple[Gate, RefusalReason]]:
    """Count every refusal once, where it is recorded."""
    return Counter(
        (refusal.gate, refusal.reason) for decision in decisions for refusal in decision.refusals()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """A decision as it was made, with the version of the facts that it saw."""

    decision: Decision
    facts_version: int
    decide_time: dt.datetime


def without(record: DecisionRecord, user_id: str) -> DecisionRecord:
    """Return a record that no longer names a person."""
    others = tuple(one for one in record.decision.recipients if one.user_id != user_id)
    return replace(record, decision=replace(record.decision, recipients=others))
