"""The audit log: who changed what, before and after; never a name, a text or a token."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.codec import from_micros, to_json, to_micros
from schoolbell_storage.pacing import paced
from schoolbell_storage.tables import audit_entry

Document = Mapping[str, Any]
"""Changed fields by name, as JSON values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One act of one caller."""

    audit_entry_id: str
    district_id: str
    create_time: dt.datetime
    caller: str
    action: str
    """The method, such as `schoolbell.v1.SettingsService/UpdateSettings`."""
    target: str
    """What was changed, such as `settings` or `calendars/7`."""
    before: Document
    after: Document


async def append_audit(
    connection: AsyncConnection,
    *,
    district_id: str,
    now: dt.datetime,
    caller: str,
    action: str,
    changes: Sequence[tuple[str, Document, Document]],
) -> None:
    """Record (target, before, after) of each thing that an act changes, in its transaction."""
    if not changes:
        return
    await connection.execute(
        insert(audit_entry),
        [
            {
                "audit_entry_id": str(uuid.uuid4()),
                "district_id": district_id,
                "create_time": to_micros(now),
                "caller": caller,
                "action": action,
                "target": target,
                "before": to_json(before),
                "after": to_json(after),
            }
            for target, before, after in changes
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which entries of a district to list, newest first; empty is all."""

    district_id: str
    callers: Sequence[str] = ()
    actions: Sequence[str] = ()
    start_time: dt.datetime | None = None
    end_time: dt.datetime | None = None
    before: tuple[int, str] | None = None
    """The (create time in microseconds, id) of the last entry of the page before."""
    limit: int = 50


async def list_audit(connection: AsyncConnection, query: AuditQuery) -> list[AuditEntry]:
    """Return a page of entries, newest first."""
    page = select(audit_entry).where(audit_entry.c.district_id == query.district_id)
    if query.callers:
        page = page.where(audit_entry.c.caller.in_(list(query.callers)))
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


def decode_entry(row: Row[Any]) -> AuditEntry:
    """Return a row of the audit log."""
    return AuditEntry(
        audit_entry_id=row.audit_entry_id,
        district_id=row.district_id,
        create_time=from_micros(row.create_time),
        caller=row.caller,
        action=row.action,
        target=row.target,
        before=json.loads(row.before),
        after=json.loads(row.after),
    )
