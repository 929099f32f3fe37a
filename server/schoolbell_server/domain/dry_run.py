"""A dry run: what publishing would do, counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schoolbell_server.domain.decision import Decision, count_refusals
from schoolbell_server.domain.kinds import Gate, RefusalReason


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """How many would be told, and how many not by which gate and reason.

    A person or device counts once for every change that it would be told of.
    """

    recipients: int
    devices: int
    refusals: Mapping[tuple[Gate, RefusalReason], int]
    """Each refusal once, where it is recorded."""


def dry_run(decisions: Sequence[Decision]) -> DryRun:
    """Count what decisions would tell and refuse."""
    recipients = devices = 0
    for decision in decisions:
        told = [recipient.user_id for recipient, _ in decision.told()]
        recipients += len(set(told))
        devices += len(told)
    return DryRun(recipients=recipients, devices=devices, refusals=count_refusals(decisions))
