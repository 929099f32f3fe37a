"""The audit log: who changed what, before and after; never a name, a text or a token."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, insert, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.principal import Principal
from schoolbell_storage.audit_chain import commitment, new_salt
from schoolbell_storage.codec import to_json, to_micros
from schoolbell_storage.mapping import Codec, Mapper
from schoolbell_storage.pacing import paced
from schoolbell_storage.tables import audit_entry

Document = Mapping[str, Any]
"""Changed fields by name, as JSON values."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and in which call."""

    principal: Principal
    client_address: str = ""
    """The network address of the caller, without its port; empty for the service itself."""
    request_id: str = ""
    """Identifies the call in the log; empty for the service itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One act of one caller."""

    audit_entry_id: str
    district_id: str
    create_time: dt.datetime
    actor: Actor
    action: str
    """The method, such as `schoolbell.v1.SettingsService/UpdateSettings`."""
    target: str
    """What was changed, such as `settings` or `calendars/7`."""
    before: Document
    after: Document


_DOCUMENT = Codec(to_json, json.loads)
_MAPPER = Mapper(
    AuditEntry,
    {"before": _DOCUMENT, "after": _DOCUMENT},
    names={"actor.principal.type": "principal_type", "actor.principal.id": "caller"},
)
decode_entry = _MAPPER.decode
"""Return a row of the audit log."""


async def append_audit(
    connection: AsyncConnection,
    *,
    district_id: str,
    now: dt.datetime,
    actor: Actor,
    action: str,
    changes: Sequence[tuple[str, Document, Document]],
) -> None:
    """Record (target, before, after) of each thing that an act changes, in its transaction."""
    if not changes:
        return
    entries = []
    for target, before, after in changes:
        entry = AuditEntry(
            audit_entry_id=str(uuid.uuid4()),
            district_id=district_id,
            create_time=now,
            actor=actor,
            action=action,
            target=target,
            before=before,
            after=after,
        )
        salt, values = new_salt(), _MAPPER.values(entry)
        entries.append({**values, "salt": salt, "commitment": commitment(salt, values)})
    await connection.execute(insert(audit_entry), entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipalFilter:
    """Who acted; what is empty may be anything."""

    type: int = 0
    id: str = ""
    acting_user_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which entries of a district to list, newest first; empty is all."""

    district_id: str
    principals: Sequence[PrincipalFilter] = ()
    actions: Sequence[str] = ()
    targets: Sequence[str] = ()
    start_time: dt.datetime | None = None
    end_time: dt.datetime | None = None
    before: tuple[int, str] | None = None
    """The (create time in microseconds, id) of the last entry of the page before."""
    limit: int = 50


async def list_audit(connection: AsyncConnection, query: AuditQuery) -> list[AuditEntry]:
    """Return a page of entries, newest first."""
    page = select(audit_entry).where(audit_entry.c.district_id == query.district_id)
    if query.principals:
        page = page.where(or_(*(_matches(one) for one in query.principals)))
    if query.targets:
        page = page.where(audit_entry.c.target.in_(list(query.targets)))
    if query.actions:
        page = page.where(audit_entry.c.action.in_(list(query.actions)))
    if query.start_time is not None:
        page = page.where(audit_entry.c.create_time >= to_micros(query.start_time))
    if query.end_time is not None:
        page = page.where(audit_entry.c.create_time < to_micros(query.end_time))
    if query.before is not None:
        time, name = query.before
        same_time = and_(audit_entry.c.create_time == time, audit_entry.c.audit_entry_id < name)
        page = page.where(or_(audit_entry.c.create_time < time, same_time))
    newest = (audit_entry.c.create_time.desc(), audit_entry.c.audit_entry_id.desc())
    found = await connection.execute(page.order_by(*newest).limit(query.limit))
    return [decode_entry(row) async for row in paced(found)]


def _matches(wanted: PrincipalFilter) -> ColumnElement[bool]:
    places = (
        (audit_entry.c.principal_type, wanted.type),
        (audit_entry.c.caller, wanted.id),
        (audit_entry.c.acting_user_id, wanted.acting_user_id),
    )
    return and_(true(), *(column == value for column, value in places if value))
