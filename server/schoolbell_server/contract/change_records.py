"""Accepted changes as the contract shows them: what happened, and what was decided."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from schoolbell.v1 import change_pb2, common_pb2
from schoolbell_server.contract.fields import write_time
from schoolbell_server.domain.kinds import Gate, RefusalReason

Refusals = Mapping[tuple[Gate, RefusalReason], int]
"""How often each gate refused for each reason."""


def write_refusals(refusals: Refusals) -> list[common_pb2.RefusalCount]:
    """Return counts by gate and reason, in their order."""
    return [
        common_pb2.RefusalCount(
            gate=common_pb2.Gate.ValueType(gate),
            reason=common_pb2.RefusalReason.ValueType(reason),
            count=count,
        )
        for (gate, reason), count in sorted(refusals.items())
    ]


def write_change_record(
    *,
    district_id: str,
    content: bytes,
    accept_time: dt.datetime,
    deliveries: int,
    refusals: Refusals,
    resume_token: str,
) -> change_pb2.ChangeRecord:
    """Return an accepted change with what was decided."""
    return change_pb2.ChangeRecord(
        district_id=district_id,
        change=change_pb2.Change.FromString(content),
        deliveries=deliveries,
        refusals=write_refusals(refusals),
        resume_token=resume_token,
        accept_time=write_time(accept_time),
    )
