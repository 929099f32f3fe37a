"""Accepted changes as the contract shows them: what happened, and what was decided."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from schoolbell.v1 import change_pb2, common_pb2
from schoolbell_server.contract.fields import write_time
from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.gate import scope_of
from schoolbell_server.domain.kinds import Gate, Kind, RefusalReason

Refusals = Mapping[tuple[Gate, RefusalReason], int]
"""How often each gate refused for each reason."""


def write_refusals(refusals: Refusals) -> list[common_pb2.RefusalCount]:
    """Return counts by gate and reason, in their order."""
    return [
        common_pb2.RefusalCount(
            gate=common_pb2.Gate.ValueType(gate),
            reason=common_pb2.RefusalReason.ValueType(reason),
            scope=common_pb2.GateScope.ValueType(scope_of(gate)),
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
        delivery_count=deliveries,
        refusals=write_refusals(refusals),
        resume_token=resume_token,
        accept_time=write_time(accept_time),
    )


def write_change_summary(
    *,
    district_id: str,
    key: ChangeKey,
    student_id: str,
    kind: Kind,
    accept_time: dt.datetime,
    deliveries: int,
    refusals: Refusals,
) -> change_pb2.ChangeSummary:
    """Return an accepted change without what it says."""
    return change_pb2.ChangeSummary(
        district_id=district_id,
        change_key=common_pb2.ChangeKey(source=key.source, change_id=key.change_id),
        student_id=student_id,
        kind=common_pb2.Kind.ValueType(kind),
        accept_time=write_time(accept_time),
        delivery_count=deliveries,
        refusals=write_refusals(refusals),
    )
