"""The record of a decision, with every gate, reason and value."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from schoolbell_server.domain.decision import Decision


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
