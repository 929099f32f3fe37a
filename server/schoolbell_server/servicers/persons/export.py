"""What is stored of a person, as documents that a person can read; no token and no secret."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from enum import IntEnum
from functools import partial
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from sqlalchemy import Row, Table

from schoolbell.v1.access_service_pb2 import ExportPersonDataResponse
from schoolbell.v1.change_pb2 import Change
from schoolbell_server.domain import kinds
from schoolbell_server.domain.decision import Refusal
from schoolbell_server.security.api_key import Right, Role, Tool
from schoolbell_server.servicers.persons.pages import pages
from schoolbell_storage import mentions, persons
from schoolbell_storage.audit import AuditEntry
from schoolbell_storage.codec import from_micros
from schoolbell_storage.engine import Storage
from schoolbell_storage.pacing import paced
from schoolbell_storage.persons import Decided, Person

_PAGE = 100  # records a message: a change is 8 KiB at most, a message 4 MiB

Document = Mapping[str, Any]

_ENUMS: Mapping[str, type[IntEnum]] = {
    "app": kinds.AppType,
    "app_type": kinds.AppType,
    "cancel_cause": kinds.CancelCause,
    "cancel_gate": kinds.Gate,
    "cancel_refusal": kinds.RefusalReason,
    "detail_level": kinds.DetailLevel,
    "environment": kinds.ProviderEnvironment,
    "granted": Right,
    "hold_cause": kinds.HoldCause,
    "kind": kinds.Kind,
    "platform": kinds.Platform,
    "retirement_reason": kinds.RetirementReason,
    "role": Role,
    "state": kinds.DeliveryState,
    "tool": Tool,
}
_DOCUMENTS = frozenset({"attempts", "condition", "fact_key", "sources", "state", "told"})
_INNER = frozenset(
    {
        "address_hash",
        "budget_start",
        "cancel_principal",
        "district_id",
        "facts_version",
        "grantee_type",
        "lane",
        "lease_owner",
        "position",
        "principal_type",
        "secret_hash",
        "token_revision",
        "update_day",
        "version",
    }
)
"""Columns that say nothing of a person, or are secrets."""


async def export(storage: Storage, person: Person) -> AsyncIterator[ExportPersonDataResponse]:
    """Yield everything that is stored of a person, page by page."""
    holdings = [
        persons.account(person),
        *persons.relationships(person),
        *persons.records(person),
        persons.changes(person),
    ]
    for holding in holdings:
        held = partial(persons.read_holding, holding=holding, limit=_PAGE)
        async for rows in pages(storage, held):
            documents = [_row(holding.table, row) async for row in paced(rows)]
            yield await _message(holding.record_type, documents)
    for student_id in (person.user_id, *person.students):
        own = partial(persons.decisions, person=person, student_id=student_id, limit=_PAGE)
        async for decided in pages(storage, own):
            told = [_decision(one, person.user_id) async for one in paced(decided)]
            yield await _message("decision", told)
    mentioned = partial(mentions.audit_mentions, person=person, limit=_PAGE)
    async for entries in pages(storage, mentioned):
        yield await _message("audit_entry", [_entry(one) for one in entries])


async def _message(record_type: str, documents: Sequence[Document]) -> ExportPersonDataResponse:
    message = ExportPersonDataResponse(record_type=record_type)
    async for document in paced(documents):
        record = Struct()
        record.update(document)
        message.records.append(record)
    return message


def _row(table: Table, row: Row[Any]) -> Document:
    document = {
        column.name: _value(column.name, getattr(row, column.name))
        for column in table.c
        if column.name not in _INNER and not isinstance(getattr(row, column.name), bytes)
    }
    if "content" in table.c:
        change = Change.FromString(row.content)
        document["content"] = MessageToDict(change, preserving_proto_field_name=True)
    return document


def _value(name: str, value: Any) -> Any:
    """Return a stored value as a reader understands it: times as texts, enums by name."""
    if isinstance(value, str) and value and name in _DOCUMENTS:
        return json.loads(value)
    if isinstance(value, int) and name in _ENUMS:
        return _ENUMS[name](value).name
    if isinstance(value, int) and name.endswith("_time"):
        return from_micros(value).isoformat()
    return value


def _decision(decided: Decided, user_id: str) -> Document:
    _, source, change_id = decided.name
    (own,) = [one for one in decided.record.decision.recipients if one.user_id == user_id]
    return {
        "source": source,
        "change_id": change_id,
        "student_id": decided.student_id,
        "decide_time": decided.record.decide_time.isoformat(),
        "app": own.app.name,
        **_refusal(own.refusal),
        "devices": [{"device_id": one.device_id, **_refusal(one.refusal)} for one in own.devices],
    }


def _refusal(refusal: Refusal | None) -> Document:
    return {} if refusal is None else {"gate": refusal.gate.name, "reason": refusal.reason.name}


def _entry(entry: AuditEntry) -> Document:
    return {
        "audit_entry_id": entry.audit_entry_id,
        "create_time": entry.create_time.isoformat(),
        "principal": {
            "type": entry.actor.principal.type.name,
            "id": entry.actor.principal.id,
            "acting_user_id": entry.actor.principal.acting_user_id,
        },
        "client_address": entry.actor.client_address,
        "request_id": entry.actor.request_id,
        "method": entry.action,
        "subject": entry.target,
        "before": dict(entry.before),
        "after": dict(entry.after),
    }
