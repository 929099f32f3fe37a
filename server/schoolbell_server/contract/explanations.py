"""Gates and recorded decisions as the contract shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from schoolbell.v1 import common_pb2, explanation_pb2
from schoolbell_server.contract.fields import write_time
from schoolbell_server.domain.decision import DecisionRecord, Refusal
from schoolbell_server.domain.explain import GateRow
from schoolbell_server.domain.gate import SeenFact, scope_of
from schoolbell_storage.provenance import SettingOrigin

OriginOf = Callable[[SeenFact], SettingOrigin]


def write_gates(rows: Iterable[GateRow], origin_of: OriginOf) -> list[explanation_pb2.GateRow]:
    """Return gates as they stand now, each with its facts and who set them."""
    return [_gate(row, origin_of) for row in rows]


def _gate(row: GateRow, origin_of: OriginOf) -> explanation_pb2.GateRow:
    return explanation_pb2.GateRow(
        gate=common_pb2.Gate.ValueType(row.gate),
        verdict=explanation_pb2.Verdict.ValueType(row.verdict),
        reason=common_pb2.RefusalReason.ValueType(row.reason or 0),
        facts=[_fact(fact, origin_of(fact)) for fact in row.facts],
        scope=common_pb2.GateScope.ValueType(scope_of(row.gate)),
    )


def _fact(fact: SeenFact, origin: SettingOrigin) -> explanation_pb2.GateFact:
    message = explanation_pb2.GateFact(name=fact.name, value=fact.value, source=origin.source)
    if origin.update_time is not None:
        message.update_time.CopyFrom(write_time(origin.update_time))
    return message


def write_recorded(
    record: DecisionRecord, refusal: Refusal | None
) -> explanation_pb2.RecordedDecision:
    """Return what was recorded then, at one place of a decision."""
    return explanation_pb2.RecordedDecision(
        gate=common_pb2.Gate.ValueType(refusal.gate if refusal else 0),
        reason=common_pb2.RefusalReason.ValueType(refusal.reason if refusal else 0),
        value=refusal.value if refusal else "",
        facts_version=record.facts_version,
        scope=common_pb2.GateScope.ValueType(scope_of(refusal.gate) if refusal else 0),
        decide_time=write_time(record.decide_time),
    )
